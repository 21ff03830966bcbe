//! Every page of help of both programs at terminals of several widths: no line is wider than the terminal, and running text is
//! broken where the next word does not fit, and nowhere else.

use std::path::Path;

use crate::common::COPIES;
use crate::common::program::Terminal;

/// What a program shows at a terminal of so many columns.
fn shown(program: &str, words: &[&str], columns: u16, locale: &str) -> String {
    let path = Path::new(program);
    let command = pty_process::blocking::Command::new(path).args(words).env_clear().env(COPIES.0, COPIES.1);
    let command = command.env("TERM", "xterm-256color").env("LC_ALL", locale).env("HOME", "/nonexistent");
    let mut terminal = Terminal::of(command, (columns, 30));
    let code = terminal.wait().code();
    assert_eq!(code, Some(0), "{words:?}: {}", terminal.shown());
    console::strip_ansi_codes(&terminal.whole()).replace("\r\n", "\n")
}

/// The names below a page's `Commands:`, or below the groups of the first page.
fn commands(page: &str, is_first_of_client: bool) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_inside = false;
    for line in page.lines() {
        let groups = ["Files:", "Servers:", "Administrators:", "More:"];
        if line == "Commands:" || (is_first_of_client && groups.contains(&line)) {
            is_inside = true;
        } else if !line.starts_with("  ") {
            is_inside = false;
        } else if let Some(name) = line.strip_prefix("  ").filter(|name| is_inside && !name.starts_with(' ')) {
            names.push(name.split(' ').next().unwrap().to_owned());
        }
    }
    names.retain(|name| name != "help");
    names
}

/// Each page by the words that show it, found as a person finds them: from page to page.
fn pages(program: &str, is_client: bool) -> Vec<Vec<String>> {
    let mut all = vec![vec!["--help".to_owned()], vec!["help".to_owned()]];
    let mut left: Vec<Vec<String>> = vec![Vec::new()];
    while let Some(path) = left.pop() {
        let words: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
        let page = shown(program, &words, 100, "C.UTF-8");
        for name in commands(&page, is_client && path.is_empty()) {
            let inner: Vec<String> = path.iter().cloned().chain([name]).collect();
            all.push(inner.iter().cloned().chain(["--help".to_owned()]).collect());
            all.push(["help".to_owned()].into_iter().chain(inner.iter().cloned()).collect());
            left.push(inner);
        }
    }
    if is_client {
        all.extend(["connection", "exit-codes"].map(|topic| vec!["help".to_owned(), topic.to_owned()]));
    }
    all
}

fn fits(program: &str, is_client: bool, least: usize) {
    let pages = pages(program, is_client);
    assert!(pages.len() >= least, "{pages:?}");
    let mut wrong = Vec::new();
    for page in &pages {
        let words: Vec<&str> = page.iter().map(String::as_str).collect();
        for (columns, locale) in [(100, "C.UTF-8"), (60, "C.UTF-8"), (40, "C")] {
            let shown = shown(program, &words, columns, locale);
            for (line, next) in shown.lines().zip(shown.lines().skip(1)) {
                let is_text = |line: &str| line.starts_with(|c: char| c.is_ascii_alphabetic());
                let first = next.split(' ').next().unwrap_or_default();
                let is_full = console::measure_text_width(line) + 1 + first.len() >= columns.into();
                if is_text(line) && is_text(next) && !line.ends_with(['.', ':']) && !is_full {
                    wrong.push(format!("{columns} {words:?}: broken twice: {line} | {next}"));
                }
            }
            for line in shown.lines() {
                // A word that is longer than the terminal is left to that: whoever copies it gets it whole.
                let is_one_word = line.trim().split(' ').count() == 1;
                if console::measure_text_width(line) > columns.into() && !is_one_word {
                    wrong.push(format!("{columns} {words:?}: {line}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_line_of_a_page_of_the_client_is_wider_than_the_terminal() {
    fits(env!("CARGO_BIN_EXE_sealift"), true, 80);
}

#[test]
fn no_line_of_a_page_of_the_server_is_wider_than_the_terminal() {
    fits(env!("CARGO_BIN_EXE_sealiftd"), false, 40);
}
