//! A recorded connection taken apart: lines, and the data between them.

use sealift::limits;
use sealift::proto::{Command, FrameDecoder, LineDecoder, Piece, Reply, Verb};

use super::proxy::Connection;

/// A line, without its ending, and the data right after it.
#[derive(Debug)]
pub struct Said<'a> {
    pub line: Vec<u8>,
    pub data: Option<Data<'a>>,
    /// Where it ends in all that this side said.
    end: usize,
}

/// Data frames.
#[derive(Debug)]
pub struct Data<'a> {
    /// As they were on the wire, with the end frame, and the trailer if there is one.
    pub frames: &'a [u8],
    /// What is in them.
    pub content: Vec<u8>,
    pub trailer: Option<[u8; 32]>,
    pub is_aborted: bool,
}

/// All that was said over one connection.
#[derive(Debug)]
pub struct Conversation<'a> {
    pub commands: Vec<Said<'a>>,
    pub replies: Vec<Said<'a>>,
    up: &'a [u8],
}

impl<'a> Conversation<'a> {
    /// Each command with its final reply, in the order of both.
    pub fn answered(&self) -> impl Iterator<Item = (&Said<'a>, Reply<'_>)> {
        self.commands.iter().zip(self.final_replies())
    }

    /// The replies that end a command: not the greeting, and not that the server ends.
    pub fn final_replies(&self) -> impl Iterator<Item = Reply<'_>> {
        let replies = self.replies.iter().skip(1).map(|reply| Reply::parse(&reply.line).unwrap());
        replies.filter(|reply| !reply.is_preliminary() && reply.digits != 421)
    }

    /// What the client sent after it was logged in.
    pub fn after_login(&self) -> Option<&'a [u8]> {
        let (login, _) = self.answered().find(|(_, reply)| reply.word == "welcome")?;
        Some(&self.up[login.end..])
    }
}

/// Takes a connection apart; a byte that belongs to nothing fails the test.
pub fn cut(connection: &Connection) -> Conversation<'_> {
    let commands = sayings(&connection.up, |line| match verb(line) {
        Verb::Upload => Some(FrameDecoder::with_trailer()),
        Verb::Part => Some(FrameDecoder::without_trailer()),
        _ => None,
    });
    let replies = sayings(&connection.down, |line| {
        (Reply::parse(line).unwrap().digits == 150).then(FrameDecoder::without_trailer)
    });
    Conversation { commands, replies, up: &connection.up }
}

fn verb(line: &[u8]) -> Verb {
    Command::parse(line).unwrap_or_else(|bad| panic!("{}: {}", bad.error, line.escape_ascii())).verb()
}

/// The lines of one side, each with the data that follows it.
fn sayings(all: &[u8], decoder_after: impl Fn(&[u8]) -> Option<FrameDecoder>) -> Vec<Said<'_>> {
    let mut rest = all;
    let mut said = Vec::new();
    // Replies may be a little longer than commands: they repeat paths.
    let mut lines = LineDecoder::new(2 * limits::LINE_MAX);
    while !rest.is_empty() {
        let line = lines.next(&mut rest).unwrap().expect("the last line is whole").to_vec();
        let data = decoder_after(&line).map(|decoder| data(decoder, &mut rest));
        said.push(Said { line, data, end: all.len() - rest.len() });
    }
    said
}

fn data<'a>(mut decoder: FrameDecoder, rest: &mut &'a [u8]) -> Data<'a> {
    let all = *rest;
    let mut content = Vec::new();
    let (trailer, is_aborted) = loop {
        match decoder.next(rest).unwrap().expect("the data has an end") {
            Piece::Data(bytes) => content.extend_from_slice(bytes),
            Piece::Pause => {}
            Piece::End(trailer) => break (trailer, false),
            Piece::Abort => break (None, true),
        }
    };
    Data { frames: &all[..all.len() - rest.len()], content, trailer, is_aborted }
}
