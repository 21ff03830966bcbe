//! sealift/1: the talk before login, and the session. The only place that writes replies.

pub mod connection;
pub mod login;
pub mod sans_io;
pub mod session;
