//! WebDAV: file managers, mounts, and programs that synchronise.

mod propfind;
