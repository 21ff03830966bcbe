//! HTTP: browsers and curl. Reading alone: GET and HEAD of files and folders.
//!
//! A request becomes an operation by a principal on a home, as a line of sealift/1 does, through the same accounts, the same
//! gate and the same turns. This folder is the only place with headers and pages in it, and the only one that names hyper.

mod adapter;
mod answer;
mod conditions;
pub mod connection;
mod dav;
mod file;
mod folder;
mod guest;
mod own;
mod page;
mod ranges;
mod reader;
pub mod remembered;
mod rows;
mod service;
mod target;
mod types;
mod visitors;

/// What the web may do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Web {
    /// Read, as with [`Web::ReadOnly`]: there is no writing by HTTP yet.
    #[default]
    On,
    /// Read.
    ReadOnly,
    /// Nothing: browsers are refused in the handshake.
    Off,
}
