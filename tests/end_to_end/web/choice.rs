//! What is chosen, through all that changes what is shown; and one thing that is done with many, while it runs and when it is over.

use std::fs;
use std::path::Path;

use super::browser::{is_clean, log_in};
use super::chosen::{BAR, counts, focus, offered, pictures, press};
use super::contents;
use crate::common::chromium::Chromium;
use crate::common::{Daemon, World, eventually};

const COUNT: &str = "document.querySelector('#chosen span').textContent";
const TOAST: &str = "document.querySelector('.toast').textContent";
const ALL: &str = "document.querySelector('th.pick input')";
const FOCUSED: &str = "document.activeElement.textContent";

/// Requests of this method wait until `letGo` lets so many of them go; `passed` is how many went.
fn hold(browser: &Chromium, method: &str) {
    browser.eval(&format!(
        "globalThis.real = globalThis.fetch; globalThis.held = []; globalThis.passed = 0; \
         globalThis.letGo = count => held.splice(0, count).forEach(go => go()); \
         globalThis.fetch = (url, options) => options?.method !== '{method}' ? real(url, options) \
             : new Promise(go => held.push(go)).then(() => {{ passed += 1; return real(url, options); }}); 0"
    ));
}

/// A home with these files, each with its name in it, and a page of it that has boxes.
fn home_of(names: &[String]) -> (World, Daemon, Chromium) {
    let world = World::of(&["alice"]);
    for name in names {
        let path = world.home("alice").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }
    let daemon = world.start();
    let browser = Chromium::start();
    browser.look(1280, 800, false);
    log_in(&browser, &daemon, "alice", "/~alice/");
    browser.wait("!!document.querySelector('td.pick input')");
    (world, daemon, browser)
}

fn numbered(count: usize) -> Vec<String> {
    (1..=count).map(|n| format!("{n:02}")).collect()
}

/// The names of what is chosen.
fn chosen(browser: &Chromium) -> String {
    browser.text("[...document.querySelectorAll('tr.chosen td.name a')].map(link => link.textContent).join(' ')")
}

fn files(folder: &Path) -> Vec<String> {
    let paths = contents(folder).into_iter().filter(|(_, bytes)| bytes.is_some());
    paths.map(|(path, _)| path.to_string_lossy().into_owned()).collect()
}

#[test]
fn when_all_that_was_chosen_is_gone_nothing_is_left_to_press() {
    let (world, daemon, browser) = home_of(&numbered(3));
    browser.eval(&format!("{ALL}.click()"));
    counts(&browser, 3);
    press(&browser, "#chosen", "Delete");
    press(&browser, "dialog.ask", "Delete");
    browser.wait(&format!("{TOAST} === '3 things deleted.'"));
    browser.wait("document.querySelectorAll('tbody tr:not(.up)').length === 0");
    browser.wait(&format!("{BAR}.hidden && !document.body.classList.contains('choosing')"));
    assert_eq!(files(&world.home("alice")), Vec::<String>::new());
    // What comes then is not chosen.
    fs::write(world.home("alice").join("01"), "").unwrap();
    browser.go(&daemon, "/~alice/");
    focus(&browser, "01");
    assert_eq!(browser.eval(&format!("{BAR}.hidden")), true);
    is_clean(&browser, &daemon);
}

#[test]
fn shift_with_the_arrows_chooses_what_one_comes_by_and_nothing_of_before() {
    let (_world, daemon, browser) = home_of(&numbered(12));
    focus(&browser, "01");
    browser.press(" ");
    for _ in 0..4 {
        browser.press("ArrowDown");
    }
    browser.press_shifted("ArrowDown");
    counts(&browser, 3);
    assert_eq!(chosen(&browser), "01 05 06");
    // With Shift a click chooses from the last one; where nothing was chosen since all was cleared, that one.
    let shifted = |name: &str| {
        let event = "new MouseEvent('click', {bubbles: true, cancelable: true, shiftKey: true})";
        browser.eval(&format!("document.querySelector('[aria-label=\"Choose {name}\"]').dispatchEvent({event})"));
    };
    shifted("08");
    counts(&browser, 5);
    assert_eq!(chosen(&browser), "01 05 06 07 08");
    browser.press("Escape");
    browser.wait(&format!("{BAR}.hidden"));
    focus(&browser, "11");
    browser.press_shifted("ArrowUp");
    counts(&browser, 2);
    assert_eq!(chosen(&browser), "10 11");
    press(&browser, "#chosen", "Clear");
    browser.wait(&format!("{BAR}.hidden"));
    shifted("03");
    counts(&browser, 1);
    assert_eq!(chosen(&browser), "03");
    is_clean(&browser, &daemon);
}

#[test]
fn what_is_chosen_outlives_that_something_else_is_looked_for_and_the_box_of_all_is_of_what_is_shown() {
    let names = ["a1", "a2", "a3", "b1", "b2"].map(str::to_owned);
    let (world, daemon, browser) = home_of(&names);
    let type_in = |text: &str| {
        browser.eval(&format!("search.value = '{text}'; search.dispatchEvent(new Event('input'))"));
    };
    let all = || browser.text(&format!("String([{ALL}.checked, {ALL}.indeterminate])"));
    for name in ["a1", "a2", "a3"] {
        browser.eval(&format!("document.querySelector('[aria-label=\"Choose {name}\"]').click()"));
    }
    counts(&browser, 3);
    assert_eq!(all(), "false,true");
    type_in("b");
    browser.wait(&format!("{COUNT} === '3 chosen, 3 of them not shown'"));
    assert_eq!(all(), "false,false", "none of those that are shown is chosen");
    pictures(&browser, "chosen-not-shown");
    browser.eval(&format!("{ALL}.click()"));
    browser.wait(&format!("{COUNT} === '5 chosen, 3 of them not shown'"));
    assert_eq!(all(), "true,false");
    browser.eval(&format!("{ALL}.click()"));
    browser.wait(&format!("{COUNT} === '3 chosen, 3 of them not shown'"));
    // The list is shown anew: what was chosen is, as far as it is there.
    fs::remove_file(world.home("alice").join("a2")).unwrap();
    browser.eval("document.querySelector('#folder').click()");
    browser.wait("document.activeElement.id === 'answer'");
    browser.type_in("b new");
    browser.press("Enter");
    browser.wait(&format!("{FOCUSED} === 'b new'"));
    browser.wait(&format!("{COUNT} === '2 chosen, 2 of them not shown'"));
    type_in("");
    counts(&browser, 2);
    assert_eq!(chosen(&browser), "a1 a3");
    // Cleared is all of it, also what is not shown.
    type_in("b");
    press(&browser, "#chosen", "Clear");
    browser.wait(&format!("{BAR}.hidden"));
    type_in("");
    browser.wait("[...document.querySelectorAll('tbody tr')].every(row => !row.hidden)");
    assert_eq!(browser.eval("document.querySelectorAll('tr.chosen, .pick input:checked').length"), 0);
    is_clean(&browser, &daemon);
}

#[test]
fn what_lies_in_a_chosen_folder_goes_with_it() {
    let names = ["report/report.pdf", "report/deep/report.txt", "x/keep"].map(str::to_owned);
    let (world, daemon, browser) = home_of(&names);
    let home = world.home("alice");
    browser.go(&daemon, "/~alice/?search=report");
    browser.wait("document.querySelectorAll('td.pick input').length === 3");
    browser.eval(&format!("{ALL}.click()"));
    counts(&browser, 3);
    press(&browser, "#chosen", "Move");
    browser.wait("document.querySelector('dialog h2')?.textContent === 'Move report'");
    browser.wait("document.activeElement.id === 'answer'");
    browser.type_in("x");
    browser.press("Enter");
    browser.wait(&format!("{TOAST} === '1 thing moved.'"));
    assert_eq!(files(&home), ["x/keep", "x/report/deep/report.txt", "x/report/report.pdf"]);
    // It is found where it is now, and not chosen there.
    browser.wait("document.querySelectorAll('td.pick input').length === 3");
    browser.wait(&format!("{BAR}.hidden"));
    browser.eval(&format!("{ALL}.click()"));
    counts(&browser, 3);
    press(&browser, "#chosen", "Delete");
    assert_eq!(browser.text("document.querySelector('dialog.ask h2').textContent"), "Delete 1 thing?");
    assert_eq!(browser.text("document.querySelector('dialog.ask p').textContent"), "report. It will be gone for good.");
    press(&browser, "dialog.ask", "Delete");
    browser.wait(&format!("{TOAST} === '1 thing deleted.'"));
    assert_eq!(files(&home), ["x/keep"]);
    is_clean(&browser, &daemon);
}

#[test]
fn what_runs_shows_how_far_it_is_begins_no_second_time_and_can_be_stopped() {
    let (world, daemon, browser) = home_of(&numbered(12));
    let home = world.home("alice");
    hold(&browser, "DELETE");
    focus(&browser, "01");
    browser.eval(&format!("{ALL}.click()"));
    counts(&browser, 12);
    press(&browser, "#chosen", "Delete");
    press(&browser, "dialog.ask", "Delete");
    browser.wait(&format!("{COUNT} === 'Deleting 0 of 12' && held.length === 3"));
    assert_eq!(offered(&browser), "Stop");
    browser.eval("letGo(3)");
    browser.wait(&format!("{COUNT} === 'Deleting 3 of 12' && held.length === 3"));
    pictures(&browser, "running");
    // Neither a key nor a row's own menu begins it again, and Escape takes nothing back.
    focus(&browser, "12");
    browser.press("Delete");
    browser.press("Escape");
    browser.eval("document.querySelector('[aria-label=\"Actions for 12\"]').click()");
    browser.wait(&format!("{TOAST} === 'Deleting 3 of 12. One thing after the other.'"));
    assert_eq!(browser.eval("document.querySelectorAll('dialog').length"), 0);
    press(&browser, "#chosen", "Stop");
    browser.wait(&format!("{COUNT} === 'Stopping after 3 of 12'"));
    browser.eval("letGo(3)");
    browser.wait(&format!("{TOAST} === '6 of 12 deleted, 6 left as they were.'"));
    counts(&browser, 6);
    assert_eq!((files(&home).len(), browser.eval("passed + held.length")), (6, 6.into()));
    assert_eq!(offered(&browser), "Download as zip,Move,Delete,Clear");
    // What is left is chosen still, and goes in a second try.
    press(&browser, "#chosen", "Delete");
    browser.eval("setInterval(() => letGo(3), 10)");
    press(&browser, "dialog.ask", "Delete");
    browser.wait(&format!("{TOAST} === '6 things deleted.'"));
    browser.wait(&format!("{BAR}.hidden"));
    assert_eq!((files(&home), browser.eval("passed")), (Vec::new(), 12.into()));
    is_clean(&browser, &daemon);
}

#[test]
fn of_many_that_failed_each_is_told() {
    let names: Vec<String> = numbered(6).iter().map(|n| format!("to/{n}")).chain(numbered(7)).collect();
    let (world, daemon, browser) = home_of(&names);
    for name in numbered(7) {
        browser.eval(&format!("document.querySelector('[aria-label=\"Choose {name}\"]').click()"));
    }
    counts(&browser, 7);
    press(&browser, "#chosen", "Move");
    browser.wait("document.activeElement.id === 'answer'");
    // What is not there, or says nothing of what is in it, is not called empty.
    browser.type_in("nowhere/");
    browser.wait("document.querySelector('dialog .folders span')?.textContent === 'There is no such folder.'");
    browser.eval("document.activeElement.select()");
    browser.type_in("to/");
    browser.wait("document.querySelector('dialog .folders span')?.textContent === 'No folder is in it.'");
    browser.press("Enter");
    browser.wait("document.querySelector('dialog h2')?.textContent === '1 of 7 moved, 6 not'");
    let told = browser.text("[...document.querySelectorAll('dialog li')].map(line => line.textContent).join(String())");
    let line = |name: String| format!("{name}: There is one of this name already.");
    assert_eq!(told, numbered(6).into_iter().map(line).collect::<Vec<_>>().join(""));
    pictures(&browser, "failed");
    browser.press("Escape");
    counts(&browser, 6);
    eventually("what could be moved is", || world.home("alice").join("to/07").is_file());
    is_clean(&browser, &daemon);
}

#[test]
fn the_focus_stays_in_the_list_where_something_was_done() {
    let names: Vec<String> = numbered(5).into_iter().chain(["to/x".to_owned()]).collect();
    let (_world, daemon, browser) = home_of(&names);
    let is_at = |name: &str| browser.wait(&format!("{FOCUSED} === '{name}' && !document.querySelector('dialog')"));
    focus(&browser, "03");
    browser.press("F2");
    browser.wait("document.activeElement.id === 'answer'");
    browser.eval("document.activeElement.select()");
    browser.type_in("035");
    browser.press("Enter");
    is_at("035");
    // Of what is gone the next one has it, and of the last one the one before.
    browser.press(" ");
    counts(&browser, 1);
    press(&browser, "#chosen", "Move");
    browser.wait("document.activeElement.id === 'answer'");
    browser.type_in("to");
    browser.press("Enter");
    is_at("04");
    browser.press("Delete");
    press(&browser, "dialog.ask", "Delete");
    is_at("05");
    browser.press("Delete");
    press(&browser, "dialog.ask", "Delete");
    is_at("02");
    is_clean(&browser, &daemon);
}

#[test]
fn what_is_dragged_onto_a_folder_is_moved_into_it() {
    let names = ["a", "b", "c", "docs/x", "docs/deep/y"].map(str::to_owned);
    let (world, daemon, browser) = home_of(&names);
    let home = world.home("alice");
    let link = |name: &str| format!("[...document.querySelectorAll('tbody a')].find(a => a.textContent === '{name}')");
    // As a browser tells of it, with nothing let go of before it is over a folder that takes it.
    let drag = |from: &str, to: &str| {
        browser.eval(&format!(
            "(() => {{ const dataTransfer = new DataTransfer(); \
                const tell = (on, kind) => on.dispatchEvent(new DragEvent(kind, {{ bubbles: true, cancelable: true, dataTransfer }})); \
                tell({from}, 'dragstart'); \
                const isTaken = !tell({to}, 'dragover'); \
                globalThis.onto = document.querySelectorAll('.onto').length; \
                if (isTaken) tell({to}, 'drop'); \
                tell({from}, 'dragend'); return isTaken; }})()"
        ))
    };
    let folder = link("docs");
    assert_eq!(drag(&link("a"), &link("b")), false, "a file takes nothing");
    assert_eq!(drag(&folder, &folder), false, "a folder is not moved into itself");
    assert_eq!((drag(&link("a"), &folder), browser.eval("onto")), (true.into(), 1.into()));
    browser.wait(&format!("{TOAST} === '1 thing moved to docs.'"));
    browser.wait("document.querySelectorAll('td.pick input').length === 3");
    // What is chosen goes together, if one of it is dragged.
    browser.eval(&format!("{ALL}.click()"));
    browser.eval("document.querySelector('[aria-label=\"Choose docs\"]').click()");
    counts(&browser, 2);
    assert_eq!(drag(&link("c"), &folder), true);
    browser.wait(&format!("{TOAST} === '2 things moved to docs.'"));
    assert_eq!(files(&home), ["docs/a", "docs/b", "docs/c", "docs/deep/y", "docs/x"]);
    // And up, by the path above the list.
    browser.go(&daemon, "/~alice/docs/deep/");
    browser.wait("document.querySelectorAll('td.pick input').length === 1");
    let top = "document.querySelector('header nav a')";
    assert_eq!(drag(&link("y"), top), true);
    browser.wait(&format!("{TOAST} === '1 thing moved to ~alice.'"));
    assert!(home.join("y").is_file());
    is_clean(&browser, &daemon);
}
