//! What the commands of the shell do that have commands of their own.

use std::ffi::OsStr;

use super::ShellSession;
use crate::commands::{link, trash};
use crate::failure::Outcome;
use crate::shell::line::{LinkCommand, LinkLine, TrashCommand};

impl ShellSession<'_> {
    pub(super) async fn link(&mut self, line: &LinkLine) -> Outcome {
        let (ctx, login) = (self.ctx, self.login.clone());
        match &line.command {
            Some(LinkCommand::List) => link::show(ctx.out, self.client().await?, &login).await,
            Some(LinkCommand::Remove { name }) => link::end(ctx.out, self.client().await?, &login, name).await,
            None => {
                let target = self.target(line.make.target.as_deref().unwrap_or_default())?;
                link::make_in_shell(ctx, self.client().await?, &login, &target, &line.make).await
            }
        }
    }

    pub(super) async fn trash(&mut self, command: &TrashCommand) -> Outcome {
        let (out, login) = (self.ctx.out, self.login.clone());
        match command {
            TrashCommand::List { name } => {
                let target = self.target(name.as_deref().unwrap_or(OsStr::new(".")))?;
                trash::list(out, self.client().await?, &target.path).await
            }
            TrashCommand::Restore { name, id, to } => {
                let target = self.target(name)?;
                let to = to.as_deref().map(|to| self.target(to)).transpose()?.map(|to| to.path);
                trash::restore(out, self.client().await?, &login, &target, *id, to.as_ref()).await
            }
            TrashCommand::Empty { name, id, yes } => {
                let target = self.target(name)?;
                trash::empty(out, self.client().await?, &target, *id, *yes).await
            }
        }
    }
}
