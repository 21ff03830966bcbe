//! What somebody who is logged in asks that concerns no files: their protocol does it, when the gate lets it through.

/// Something that concerns no files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionRequest {
    /// What changes nothing and concerns nobody else: whether the server is there, how to ask it, the end.
    Talk,
    /// To log in, although somebody is logged in already. The gate lets it through, to be answered as out of sequence.
    LogIn,
    /// The logins of one's own browser, or of all of them, end.
    LogOut,
    /// More connections of the same user: they get no more rights than this one.
    Connect,
    /// Another password of one's own.
    ChangePassword,
    /// Enrol or revoke a key of one's own.
    ChangeKeys,
    /// A link by which others get what one may read oneself, or put files where one may.
    MakeLink {
        /// To put files in, and else to read.
        inbox: bool,
    },
    /// A link of one's own gives nothing any more.
    EndLink,
    /// Who is connected.
    ListSessions,
    /// Sessions of others end.
    EndSessions,
    /// Who is held back.
    ListPenalties,
    /// Somebody is held back no more.
    LiftPenalty,
    /// The server reads its files again.
    Reload,
    /// The server ends.
    StopServer,
}
