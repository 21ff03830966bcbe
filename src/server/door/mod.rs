//! The way in: listeners, who may connect and stay, who somebody is, and the connection.

pub mod accounts;
pub mod admission;
pub mod admission_options;
pub mod authenticate;
pub mod connection;
pub mod entry;
pub mod listener;
pub mod liveness;
pub mod login_queue;
pub mod penalties;
pub mod preauth;
pub mod proxied;
pub mod self_service;
pub mod startups;
pub mod tally;
pub mod timeouts;
pub mod web_certificate;
