//! HTTP: browsers and curl. GET and HEAD of files and folders, PUT of files, and what gives them other names.
//!
//! A request becomes an operation by a principal on a home, as a line of sealift/1 does, through the same accounts, the same
//! gate and the same turns. This folder is the only place with headers and pages in it, and the only one that names hyper.

mod account;
mod account_page;
mod adapter;
mod answer;
mod archive;
mod archive_writer;
mod by_command;
mod change;
mod codings;
mod conditions;
pub mod connection;
mod connection_tasks;
mod copy;
mod counted;
mod dav;
mod delivery;
mod digesting;
mod digests;
mod dropped;
mod entries;
mod file;
mod folder;
mod folder_row;
mod form;
mod hold;
mod join;
mod join_page;
mod link;
mod link_page;
mod login;
mod multipart;
mod my_links;
mod offers;
mod open_at_desk;
mod own;
mod own_request;
mod page;
mod parked_uploads;
mod place;
mod put;
mod query;
mod ranges;
mod rate_limit;
mod reader;
mod receiving;
mod records;
mod refused_requests;
pub mod remembered;
mod request_body;
mod resumable;
mod rows;
mod same_site;
pub mod sans_io;
mod service;
mod shared_desk;
pub mod signed_in;
mod singletons;
mod taking_in;
mod target;
mod trash;
mod trash_page;
mod types;
pub mod uploads;
pub mod used;
mod viewer;
mod visitors;
mod web_session;
mod work_to_end;
mod writing;

/// What a request is answered that comes without TLS.
pub const WITHOUT_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 66\r\n\
    Connection: close\r\n\r\n\
    400: this port speaks TLS alone: write https:// and not http://.\r\n";

/// What the web may do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Web {
    /// Read and write, as far as each user may.
    #[default]
    On,
    /// Read, whatever a user may.
    ReadOnly,
    /// Nothing: browsers are refused in the handshake.
    Off,
}
