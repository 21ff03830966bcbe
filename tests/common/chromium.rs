//! A person's window of a real browser: Chromium without a screen (see [`super::browser`]).

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::{Value, json};

use super::browser::Browser;
use super::{Daemon, HANG};

/// How long a page that changes is waited for before it is asked once more.
const FIRST_PATIENCE: Duration = Duration::from_secs(5);

/// One page, of a person who shares nothing with any other page: neither cookies nor storage nor connections.
pub struct Chromium {
    browser: Arc<Browser>,
    context: String,
    page: String,
    heard: Receiver<Value>,
    /// What the browser said of the page that was no answer.
    events: RefCell<Vec<Value>>,
}

impl Chromium {
    /// Opens it.
    pub fn start() -> Chromium {
        let browser = Browser::running();
        let context = browser.call("Target.createBrowserContext", json!({}))["browserContextId"].clone();
        let target = browser.call("Target.createTarget", json!({"url": "about:blank", "browserContextId": context}));
        let attached = browser.call("Target.attachToTarget", json!({"targetId": target["targetId"], "flatten": true}));
        let page = attached["sessionId"].as_str().unwrap().to_owned();
        let heard = browser.listen(&page);
        let context = context.as_str().unwrap().to_owned();
        let page = Chromium { browser, context, page, heard, events: RefCell::default() };
        for domain in ["Page", "Runtime", "Network", "Log", "DOM"] {
            page.call(&format!("{domain}.enable"), json!({}));
        }
        // Other windows come and go: to this page it is the one in front.
        page.call("Emulation.setFocusEmulationEnabled", json!({"enabled": true}));
        page
    }

    /// Asks it for something, and waits for the answer.
    pub fn call(&self, method: &str, params: Value) -> Value {
        let answer = self.ask(method, params, HANG).unwrap_or_else(|| panic!("chromium does not answer to {method}"));
        answer.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Asks it for something, and waits so long for the answer: what came of it, or why it was not done.
    fn ask(&self, method: &str, params: Value, patience: Duration) -> Option<Result<Value, Value>> {
        let id = self.browser.send(Some(&self.page), method, params);
        let until = Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.heard.recv_timeout(left) {
                Ok(value) if value["id"] == id && value["error"].is_null() => return Some(Ok(value["result"].clone())),
                Ok(value) if value["id"] == id => return Some(Err(value["error"].clone())),
                Ok(event) => self.events.borrow_mut().push(event),
                Err(RecvTimeoutError::Timeout) => return None,
                Err(RecvTimeoutError::Disconnected) => panic!("chromium ended before it answered to {method}"),
            }
        }
    }

    /// Goes there, and waits until the page is there.
    pub fn go(&self, daemon: &Daemon, path: &str) {
        let url = format!("https://127.0.0.1:{}{path}", daemon.port());
        self.call("Page.navigate", json!({"url": url}));
        self.wait("document.readyState === 'complete' && location.protocol === 'https:'");
    }

    /// What an expression of the page comes to; a promise is waited for.
    pub fn eval(&self, script: &str) -> Value {
        let params = json!({"expression": script, "awaitPromise": true, "returnByValue": true, "userGesture": true});
        let result = self.call("Runtime.evaluate", params);
        assert!(result["exceptionDetails"].is_null(), "{script}: {}", result["exceptionDetails"]);
        result["result"]["value"].clone()
    }

    /// The text of an expression. While a page takes the place of another one, what it is about may not be there yet: that is
    /// waited for.
    pub fn text(&self, script: &str) -> String {
        self.wait(&format!("(() => {{ try {{ return ({script}, true) }} catch {{ return false }} }})()"));
        self.eval(script).as_str().unwrap_or_default().to_owned()
    }

    /// Waits until an expression of the page is true. Between two pages it is not.
    pub fn wait(&self, script: &str) {
        let until = Instant::now() + HANG;
        let mut patience = FIRST_PATIENCE;
        loop {
            let params = json!({"expression": script, "awaitPromise": true, "returnByValue": true});
            let Some(answer) = self.ask("Runtime.evaluate", params, patience) else {
                // It came between two pages and is lost, or the page has much to do.
                assert!(Instant::now() < until, "chromium does not answer whether {script}");
                patience *= 2;
                continue;
            };
            let result = answer.unwrap_or_else(|error| error);
            if result["result"]["value"] == true {
                return;
            }
            if Instant::now() > until {
                let page = self.eval("document.body.innerText");
                panic!("{script} does not become true: {result}\n{page}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Chooses this file or folder in an input.
    pub fn choose(&self, selector: &str, file: &Path) {
        let document = self.call("DOM.getDocument", json!({}));
        let root = document["root"]["nodeId"].clone();
        let node = self.call("DOM.querySelector", json!({"nodeId": root, "selector": selector}));
        self.call("DOM.setFileInputFiles", json!({"nodeId": node["nodeId"], "files": [file]}));
    }

    /// Drops these files and folders on the page, as a person does from a window beside it.
    pub fn drop_on(&self, paths: &[impl AsRef<Path>]) {
        let paths: Vec<&Path> = paths.iter().map(AsRef::as_ref).collect();
        let data = json!({"items": [], "files": paths, "dragOperationsMask": 1});
        for kind in ["dragEnter", "dragOver", "drop"] {
            self.call("Input.dispatchDragEvent", json!({"type": kind, "x": 100, "y": 100, "data": data}));
        }
    }

    /// Presses a key as a person does: `Tab`, `Enter`, `a`.
    pub fn press(&self, key: &str) {
        self.press_with(0, key);
    }

    /// The same with the Shift key held.
    pub fn press_shifted(&self, key: &str) {
        self.press_with(8, key);
    }

    fn press_with(&self, modifiers: u32, key: &str) {
        let (code, text) = match key {
            "Enter" => (13, "\r"),
            "Tab" => (9, ""),
            "Escape" => (27, ""),
            "Delete" => (46, ""),
            "F2" => (113, ""),
            "ArrowDown" => (40, ""),
            "ArrowUp" => (38, ""),
            other => (other.to_uppercase().as_bytes()[0].into(), other),
        };
        let event = |kind: &str| json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text, "modifiers": modifiers});
        self.call("Input.dispatchKeyEvent", event("keyDown"));
        let mut up = event("keyUp");
        up["text"] = json!("");
        self.call("Input.dispatchKeyEvent", up);
    }

    /// Types text where the cursor is.
    pub fn type_in(&self, text: &str) {
        self.call("Input.insertText", json!({"text": text}));
    }

    /// As a window of this size, in the dark or not.
    pub fn look(&self, width: u32, height: u32, is_dark: bool) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.call("Emulation.setDeviceMetricsOverride", size);
        let scheme = if is_dark { "dark" } else { "light" };
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.call("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    /// Keeps a picture of it in the folder that `SEALIFT_SCREENSHOTS` names, if it does.
    pub fn picture(&self, name: &str) {
        let Some(folder) = std::env::var_os("SEALIFT_SCREENSHOTS") else { return };
        let png = self.call("Page.captureScreenshot", json!({"format": "png"}));
        let bytes = base64::engine::general_purpose::STANDARD.decode(png["data"].as_str().unwrap()).unwrap();
        std::fs::write(Path::new(&folder).join(format!("{name}.png")), bytes).unwrap();
    }

    /// Lets nothing through any more, or again.
    pub fn cut_off(&self, is_off: bool) {
        let conditions = json!({"offline": is_off, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1});
        self.call("Network.emulateNetworkConditions", conditions);
    }

    /// Lets so many bytes a second out.
    pub fn slow_down(&self, rate: u64) {
        let conditions = json!({"offline": false, "latency": 0, "downloadThroughput": -1, "uploadThroughput": rate});
        self.call("Network.emulateNetworkConditions", conditions);
    }

    /// The values of this header of all requests so far.
    pub fn headers(&self, name: &str) -> Vec<String> {
        self.eval("0");
        let events = self.events.borrow();
        let sent = events.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        let values = sent.filter_map(|event| event["params"]["request"]["headers"][name].as_str());
        values.map(str::to_owned).collect()
    }

    /// All that it asked for by now, and what it complained about: violations of the policy, exceptions.
    pub fn requests_and_complaints(&self) -> (Vec<String>, Vec<String>) {
        // An answer comes behind all that was before.
        self.eval("0");
        let events = self.events.borrow();
        let named = |name: &'static str| events.iter().filter(move |event| event["method"] == name);
        let urls = named("Network.requestWillBeSent")
            .map(|event| event["params"]["request"]["url"].as_str().unwrap().to_owned());
        let logged = named("Log.entryAdded").map(|event| &event["params"]["entry"]);
        let policy = logged.filter(|entry| entry["text"].as_str().unwrap().contains("Content Security Policy"));
        let thrown = named("Runtime.exceptionThrown").map(|event| &event["params"]);
        (urls.collect(), policy.chain(thrown).map(Value::to_string).collect())
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // The page goes with all that was its person's. Nothing waits for it.
        self.browser.send(None, "Target.disposeBrowserContext", json!({"browserContextId": self.context}));
    }
}
