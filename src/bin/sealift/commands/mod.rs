//! One file a command; short ones that only ask one question share one.

pub mod admin;
pub mod bookmark;
pub mod by_link;
pub mod cat;
pub mod change;
pub mod cp;
pub mod df;
pub mod du;
pub mod find;
mod find_delete;
pub mod get;
mod get_link;
pub mod health;
pub mod join;
pub mod key;
pub mod link;
pub mod local;
pub mod login;
pub mod look;
pub mod lost_answer;
pub mod ls;
pub mod mirror;
mod mirror_kept;
mod mirror_list;
mod mirror_lock;
mod one_line;
pub mod passwd;
pub mod put;
mod put_link;
mod rm_tree;
mod room_left;
mod seen;
pub mod server;
mod shared;
mod sink;
pub mod trash;
pub mod trash_restore;
pub mod tree;
pub mod trust;
mod typed;
pub mod unread;
pub mod verify;

use crate::args::Command;
use crate::completion;
use crate::context::Context;
use crate::failure::Outcome;

/// Runs any command but the shell, which runs others.
///
/// # Errors
/// Those of the command.
pub async fn run(ctx: &Context, command: &Command) -> Outcome {
    match command {
        Command::Ls(args) => ls::run(ctx, args).await,
        Command::Tree(args) => tree::run(ctx, args).await,
        Command::Du(args) => du::run(ctx, args).await,
        Command::Df(args) => df::run(ctx, args).await,
        Command::Find(args) => find::run(ctx, args).await,
        Command::Get(args) => get::run(ctx, args).await,
        Command::Put(args) => put::run(ctx, args).await,
        Command::Mirror(args) => mirror::run(ctx, args).await,
        Command::Rm(args) => change::rm(ctx, args).await,
        Command::Mkdir(args) => change::mkdir(ctx, args).await,
        Command::Mv(args) => change::mv(ctx, args).await,
        Command::Cp(args) => cp::run(ctx, args).await,
        Command::Cat(args) => cat::run(ctx, args).await,
        Command::Stat(args) => look::stat(ctx, args).await,
        Command::Hash(args) => look::hash(ctx, args).await,
        Command::Verify(args) => verify::run(ctx, args).await,
        Command::Accept(args) => verify::accept(ctx, args).await,
        Command::Health(args) => health::run(ctx, args).await,
        Command::Ping(args) => server::ping(ctx, args).await,
        Command::Status(args) => server::status(ctx, args).await,
        Command::Admin(args) => admin::run(ctx, args).await,
        Command::Who(args) => server::who(ctx, args).await,
        Command::Kick(args) => server::kick(ctx, args).await,
        Command::Shutdown(args) => server::shutdown(ctx, args).await,
        Command::Join(args) => join::run(ctx, args).await,
        Command::Passwd(args) => passwd::run(ctx, args).await,
        Command::Login(args) => login::log_in(ctx, args).await,
        Command::Logout(args) => login::log_out(ctx, args).await,
        Command::Key(args) => key::run(ctx, args).await,
        Command::Link(args) => link::run(ctx, args).await,
        Command::Trash(args) => trash::run(ctx, args).await,
        Command::Trust(args) => trust::run(ctx, &args.command).await,
        Command::Bookmark(args) => bookmark::run(ctx, args),
        Command::Completion(args) => completion::write_script(args),
        Command::Manual(args) => completion::write_manual(args),
        // It runs others, one after another, and is started by `main`.
        Command::Shell(_) => Ok(()),
    }
}
