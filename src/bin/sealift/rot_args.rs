//! The command lines of `verify` and `accept`.

use std::ffi::OsString;

use clap::Args;

/// Have a server read files and compare them with what was stored
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sealift verify alice@files.example/photos
  sealift verify --json alice@files.example/ | jq -r 'select(.state == \"rotten\").path'

Every file is read on the server's disk; none is sent. The server says nothing while it reads one: it is given an \
hour for each. A file is rotten if its bytes changed although nobody changed the \
file: its size and time of modification are those it was stored with. A rotten file is refused to everybody until a good \
copy is put in its place (put, mirror) or it is accepted as it is (sealift accept). Files below 1 MiB, and \
files that other programs stored and nobody has read since, have no record to compare with.

The exit code is 8 if a file is rotten, else 10 if some could not be read.")]
pub struct Verify {
    /// Files or folders on a server
    #[arg(required = true, value_name = "TARGET")]
    pub targets: Vec<OsString>,
}

/// Accept rotten files as they are now
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  sealift accept alice@files.example/photos/boat.jpg

The bytes that are there now are recorded as those of the file. It takes the rights to upload and to overwrite.")]
pub struct Accept {
    /// Files on a server
    #[arg(required = true, value_name = "TARGET")]
    pub targets: Vec<OsString>,
}
