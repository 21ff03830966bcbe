//! Before login: a short list of commands and nothing else. It ends in somebody [`Proven`] or in the end of the connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, UNIX_EPOCH};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use zeroize::Zeroizing;

use super::session::help_lines;
use crate::error::{Error, Kind, Result};
use crate::keys::Nonce;
use crate::limits;
use crate::proto::{BadLine, Command, Features, LineDecoder, ReplyWriter, Verb};
use crate::secret::Secret;
use crate::server::Shared;
use crate::server::door::accounts::KeyClaim;
use crate::server::door::admission::{Admitted, Offence};
use crate::server::door::authenticate::{Credentials, Proven, authenticate, look_at_invitation};
use crate::server::events::Protocol;
use crate::tls::Pin;

/// What came of it.
pub enum Login {
    /// Logged in.
    Done {
        /// Who.
        proven: Proven,
        /// What the client sent right behind.
        early: Vec<u8>,
        /// By a link: what tells their uploads from others'.
        uploads: Option<Secret>,
    },
    /// Over: the last reply is sent.
    Over,
}

/// What one line asks for.
enum Asked {
    Nothing,
    Verify(Credentials),
    /// Whether this invitation of this user can be used.
    Look(String, Secret),
    Close,
}

struct Prelogin {
    user: Option<String>,
    unknown_verbs: u32,
    failures: u32,
    /// What signatures must be over; each serves one attempt.
    nonce: Nonce,
    /// Of the key that the connection's handshake was made with.
    pin: Pin,
    /// What tells the uploads of whoever comes by a link from those of others.
    uploads: Option<Secret>,
    replies: Vec<u8>,
}

/// Talks to a client until it is logged in or gone. `pin` is of the key that the connection's handshake was made with. The
/// caller sets the deadline.
///
/// # Errors
/// [`Kind::Network`] if the connection breaks.
pub async fn login<S>(
    stream: &mut S,
    shared: &Arc<Shared>,
    (peer, pin): (SocketAddr, Pin),
    admitted: &Admitted,
) -> Result<Login>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let nonce = Nonce::fresh()?;
    let mut prelogin =
        Prelogin { user: None, unknown_verbs: 0, failures: 0, nonce, pin, uploads: None, replies: Vec::new() };
    let (pinned, web) = shared.certificates_end();
    let ends = [("cert-ends", pinned), ("web-cert-ends", web)];
    let ends = ends.into_iter().filter_map(|(key, end)| Some((key, end?.duration_since(UNIX_EPOCH).ok()?.as_secs())));
    let reply = ReplyWriter::new(&mut prelogin.replies, 220, "ready")
        .field("proto", 1)
        .verbatim("features", Features::all().to_string().as_bytes())
        .field("nonce", nonce)
        .field("pid", std::process::id())
        .field("password-min", shared.users.latest().password_rule().min());
    ends.fold(reply, |reply, (key, end)| reply.field(key, end))
        .text("Sealift is ready. Log in with USER and PASS, or with USER anonymous.");
    let mut lines = LineDecoder::new(limits::LINE_MAX);
    // Passwords are read into it.
    let mut bytes = Zeroizing::new([0; limits::LOGIN_READ]);
    loop {
        prelogin.send(stream).await?;
        let n = stream.read(&mut *bytes).await.map_err(|err| Error::network("reading", err))?;
        let mut input = bytes.get(..n).unwrap_or_default();
        if input.is_empty() {
            if prelogin.failures == 0 {
                admitted.penalise(Offence::NoLogin, Instant::now());
            }
            return Ok(Login::Over);
        }
        loop {
            let asked = match lines.next(&mut input) {
                Ok(None) => break,
                Ok(Some(line)) => prelogin.answer(Command::parse(line)),
                Err(error) => prelogin.close(&error),
            };
            match asked {
                Asked::Nothing => {}
                Asked::Close => {
                    prelogin.send(stream).await?;
                    return Ok(Login::Over);
                }
                Asked::Look(user, secret) => {
                    prelogin.send(stream).await?;
                    match look_at_invitation((user, secret), peer, Protocol::Sealift, shared).await {
                        Ok(()) => ReplyWriter::new(&mut prelogin.replies, 200, "invited").text("It can be used, once."),
                        Err(error) => {
                            if prelogin.refuse_login(&error, false) {
                                prelogin.send(stream).await?;
                                return Ok(Login::Over);
                            }
                        }
                    }
                }
                Asked::Verify(credentials) => {
                    prelogin.send(stream).await?;
                    let is_of_keys = matches!(credentials, Credentials::Keys(..));
                    match authenticate(credentials, peer, Protocol::Sealift, shared).await {
                        Ok(proven) => {
                            return Ok(Login::Done { proven, early: input.to_vec(), uploads: prelogin.uploads });
                        }
                        Err(error) => {
                            if prelogin.refuse_login(&error, is_of_keys) {
                                prelogin.send(stream).await?;
                                return Ok(Login::Over);
                            }
                        }
                    }
                }
            }
        }
    }
}

impl Prelogin {
    fn answer(&mut self, parsed: Result<Command, BadLine>) -> Asked {
        match parsed {
            Ok(Command::Help(verb)) => {
                let text = help_lines(verb, &mut self.replies);
                ReplyWriter::new(&mut self.replies, 214, "help").text(text);
            }
            Ok(Command::User(name)) => {
                self.user = Some(name);
                ReplyWriter::new(&mut self.replies, 331, "password").text("PASS with the password comes next.");
            }
            Ok(Command::Pass(password)) => match self.user.take() {
                Some(user) => return Asked::Verify(Credentials::Password { user, password }),
                None => self.refuse(&Error::new(Kind::BadSequence, "PASS comes after USER")),
            },
            Ok(Command::Key { user, proofs }) => match Nonce::fresh() {
                Ok(next) => {
                    let nonce = std::mem::replace(&mut self.nonce, next);
                    let claim = KeyClaim { user, proofs, nonce, pin: self.pin };
                    return Asked::Verify(Credentials::Keys(claim));
                }
                Err(error) => self.refuse(&error),
            },
            Ok(Command::Redeem { user, secret, password: Some(password) }) => {
                return Asked::Verify(Credentials::Invitation { user, secret, password });
            }
            Ok(Command::Redeem { user, secret, password: None }) => return Asked::Look(user, secret),
            Ok(Command::Visit { secret, password, uploads }) => {
                self.uploads = uploads;
                return Asked::Verify(Credentials::Link { secret, password });
            }
            Ok(Command::Join(token)) => return Asked::Verify(Credentials::Token(token)),
            Ok(Command::Logout) => {
                ReplyWriter::new(&mut self.replies, 221, "bye").text("Goodbye.");
                return Asked::Close;
            }
            // Its frames would be read as commands.
            Ok(Command::Upload(_) | Command::Part { .. })
            | Err(BadLine { verb: Some(Verb::Upload | Verb::Part), .. }) => {
                return self.close(&login_required());
            }
            Ok(_) => self.refuse(&login_required()),
            Err(BadLine { verb: None, error }) => {
                self.unknown_verbs += 1;
                if self.unknown_verbs >= limits::UNKNOWN_VERBS_MAX {
                    return self.close(&error);
                }
                self.refuse(&error);
            }
            // A stranger learns nothing of paths and options before login.
            Err(BadLine {
                verb:
                    Some(
                        Verb::Help
                        | Verb::User
                        | Verb::Pass
                        | Verb::Key
                        | Verb::Join
                        | Verb::Redeem
                        | Verb::Visit
                        | Verb::Logout,
                    ),
                error,
            }) => {
                self.refuse(&error);
            }
            Err(BadLine { verb: Some(_), .. }) => self.refuse(&login_required()),
        }
        Asked::Nothing
    }

    /// Writes the refusal, with the nonce for the next attempt to who tries with keys; says whether the connection ends with
    /// it.
    fn refuse_login(&mut self, error: &Error, is_of_keys: bool) -> bool {
        let (kind, text) = error.told_by_server();
        let nonce = is_of_keys.then_some(self.nonce);
        let reply = ReplyWriter::error(&mut self.replies, kind);
        match nonce {
            Some(nonce) => reply.field("nonce", nonce).text(&text),
            None => reply.text(&text),
        }
        self.failures += 1;
        self.failures >= limits::LOGIN_FAILURES_MAX || error.kind() == Kind::Busy
    }

    fn refuse(&mut self, error: &Error) {
        let (kind, text) = error.told_by_server();
        ReplyWriter::error(&mut self.replies, kind).text(&text);
    }

    fn close(&mut self, error: &Error) -> Asked {
        self.refuse(error);
        Asked::Close
    }

    async fn send<S: AsyncWrite + Unpin>(&mut self, stream: &mut S) -> Result<()> {
        let failed = |err| Error::network("writing", err);
        stream.write_all(&self.replies).await.map_err(failed)?;
        stream.flush().await.map_err(failed)?;
        self.replies.clear();
        Ok(())
    }
}

fn login_required() -> Error {
    Error::new(Kind::LoginRequired, "log in first")
}
