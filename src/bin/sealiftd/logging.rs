//! The log on standard error: one line an event, as text or JSON.

use std::io::{self, IsTerminal as _, Write};
use std::str::FromStr as _;

use sealift::escape::for_people;
use sealift::limits;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::args::LogFormat;
use crate::failure::Failure;
use crate::log_queue::LogQueue;

static QUEUE: LogQueue = LogQueue::new();

/// What is logged unless something else is asked for.
const USUAL: &str = "info";

/// What is logged unless something else is asked for, where a person sees the banner and the log on one screen: what the banner says is not
/// said again.
const BESIDE_THE_BANNER: &str = "info,sealiftd::serve=warn,sealift::server::start=warn";

/// Starts the log. Panics of a connection go there too.
///
/// # Errors
/// A filter that cannot be read.
pub fn start(format: LogFormat, asked: Option<&str>) -> Result<(), Failure> {
    let on_one_screen = io::stderr().is_terminal() && io::stdout().is_terminal();
    let usual = if on_one_screen { BESIDE_THE_BANNER } else { USUAL };
    let parsed = parse(asked.unwrap_or(usual))?;
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(parsed)
        .with_writer(|| Lines)
        .with_ansi(colours)
        .with_target(false)
        .log_internal_errors(false);
    match format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a fault in Sealift, please report it: {}", message(panic));
    }));
    Ok(())
}

/// Whether a log could be started so.
///
/// # Errors
/// A filter that cannot be read.
pub fn prove_filter(asked: Option<&str>) -> Result<(), Failure> {
    parse(asked.unwrap_or(USUAL)).map(drop)
}

fn parse(filter: &str) -> Result<EnvFilter, Failure> {
    let refused = |why: String| {
        Failure::usage(format!("--log-level {}: {why}", for_people(filter.as_bytes())))
            .hint("Write off, error, warn, info, debug or trace, or a filter such as sealift::server=debug,info.")
    };
    // The library takes a word that is no level for the name of a module, of which it then logs all, and of the rest nothing.
    let is_mistyped = |part: &&str| !part.contains(['=', '[']) && LevelFilter::from_str(part).is_err();
    if let Some(word) = filter.split(',').map(str::trim).find(is_mistyped) {
        return Err(refused(format!("'{}' is not a level", for_people(word.as_bytes()))));
    }
    EnvFilter::try_new(filter).map_err(|err| refused(err.to_string()))
}

/// From now on a thread writes the log, and nothing else ever waits for whoever reads it.
///
/// # Errors
/// What the system says.
pub fn write_by_thread() -> io::Result<()> {
    QUEUE.write_by_thread()
}

/// Before the process ends: waits until what was logged is written, but only as long as an end may be kept waiting.
pub fn flush() {
    QUEUE.flush(limits::LOG_FLUSH);
}

fn message<'a>(panic: &'a std::panic::PanicHookInfo<'_>) -> &'a str {
    let payload = panic.payload();
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("panicked")
}

/// Writes each event as exactly one line, whatever is in it: the log of a server must not be forged by a name with a
/// newline.
struct Lines;

impl Write for Lines {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let mut line = Vec::with_capacity(event.len() + 1);
        for byte in event.strip_suffix(b"\n").unwrap_or(event) {
            match byte {
                b'\n' => line.extend(b"\\n"),
                b'\r' => line.extend(b"\\r"),
                other => line.push(*other),
            }
        }
        line.push(b'\n');
        QUEUE.push(&line);
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
