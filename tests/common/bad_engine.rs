//! A storage that speaks as much S3 as Sealift asks for, heeds no condition unless it is told to, and does whatever else a test wants of it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code outside of a test function")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, SystemTime};

/// What was asked.
#[derive(Clone)]
pub struct Asked {
    pub method: String,
    /// The object's key; empty: the bucket.
    pub key: String,
    pub query: String,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

/// What it does then.
pub enum Act {
    /// What is asked.
    Do,
    /// That, and closes the connection without an answer.
    DoAndSayNothing,
    /// Nothing, and closes the connection without an answer.
    SayNothing,
    /// Nothing but to send this, which may be less than its headers say, and to close the connection.
    Cut(String, String),
    /// Nothing but to answer this: status, headers, body.
    Say(u16, &'static str, String),
    /// What is asked, and answers this body.
    DoAndSay(&'static str),
    /// What is asked, and then another program puts these bytes there.
    DoAndPut(&'static str, Vec<u8>),
    /// Waits, and then does what is asked.
    DoLater(Hold),
    /// Does what is asked, waits, and answers then.
    DoAndSayLater(Hold),
    /// Nothing but to begin an answer of so many bytes, of which one comes now and then until the other side has gone.
    Drip(usize),
}

/// Where an act waits, until its [`Held`] lets it go on.
pub struct Hold {
    is_there: mpsc::Sender<()>,
    word: mpsc::Receiver<()>,
}

/// What lets an act go on: it does when this is dropped.
pub struct Held {
    comes: mpsc::Receiver<()>,
    _goes_on: mpsc::Sender<()>,
}

/// One place where an act waits.
pub fn hold() -> (Hold, Held) {
    let ((is_there, comes), (goes_on, word)) = (mpsc::channel(), mpsc::channel());
    (Hold { is_there, word }, Held { comes, _goes_on: goes_on })
}

impl Hold {
    fn wait(self) {
        // A test that has ended waits for nothing, and holds nothing.
        let _ = self.is_there.send(());
        let _ = self.word.recv();
    }
}

impl Held {
    /// Returns when the act has come to where it waits: what it does before that is done.
    pub fn comes(&self) {
        self.comes.recv().unwrap();
    }

    /// Lets the act go on.
    pub fn goes_on(self) {}
}

type Decide = dyn FnMut(&Asked) -> Act + Send;

/// What is kept with an object.
type Kept = Vec<(String, String)>;

/// An object.
struct Whole {
    bytes: Vec<u8>,
    kept: Kept,
    modified: SystemTime,
}

/// An upload in parts.
struct Begun {
    key: String,
    kept: Kept,
    at: SystemTime,
}

#[derive(Default)]
struct Objects {
    whole: BTreeMap<String, Whole>,
    /// Of uploads that nobody has ended.
    parts: BTreeMap<String, BTreeMap<u32, Vec<u8>>>,
    begun: BTreeMap<String, Begun>,
    /// The numbers of all parts that came.
    came: Vec<u32>,
    /// When that was, by their uploads.
    came_at: BTreeMap<(String, u32), SystemTime>,
    /// The most entries of a page; none: as many as are asked for.
    page: Option<usize>,
    /// It heeds conditions of what changes something.
    heeds: bool,
}

/// One that is there until the process ends.
pub struct BadEngine {
    pub endpoint: String,
    objects: Arc<Mutex<Objects>>,
    decide: Arc<Mutex<Box<Decide>>>,
    asked: Arc<Mutex<Vec<(String, String)>>>,
}

impl Asked {
    /// Whether it ends an upload in parts.
    pub fn completes(&self) -> bool {
        self.method == "POST" && self.query.starts_with("uploadId")
    }

    /// Whether it gives an upload in parts up.
    pub fn aborts(&self) -> bool {
        self.method == "DELETE" && self.query.starts_with("uploadId")
    }

    /// Whether it brings the part of this number.
    pub fn is_part(&self, number: u32) -> bool {
        self.method == "PUT" && self.query.split('&').any(|pair| pair == format!("partNumber={number}"))
    }
}

impl BadEngine {
    /// Starts one that does what is asked.
    pub fn start() -> BadEngine {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let engine = BadEngine {
            endpoint,
            objects: Arc::default(),
            decide: Arc::new(Mutex::new(Box::new(|_| Act::Do))),
            asked: Arc::default(),
        };
        let (objects, decide, asked) = (engine.objects.clone(), engine.decide.clone(), engine.asked.clone());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (objects, decide, asked) = (objects.clone(), decide.clone(), asked.clone());
                thread::spawn(move || serve(stream, &objects, &decide, &asked));
            }
        });
        engine
    }

    /// From now on this says what it does.
    pub fn does(&self, decide: impl FnMut(&Asked) -> Act + Send + 'static) {
        *self.decide.lock().unwrap() = Box::new(decide);
    }

    /// Methods and keys of what was asked since this was called last.
    pub fn asked(&self) -> Vec<(String, String)> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    /// How often a part of this number was stored.
    pub fn came(&self, number: u32) -> usize {
        self.objects.lock().unwrap().came.iter().filter(|came| **came == number).count()
    }

    /// The keys of what it has.
    pub fn keys(&self) -> Vec<String> {
        self.objects.lock().unwrap().whole.keys().cloned().collect()
    }

    /// The bytes of an object.
    pub fn get(&self, key: &str) -> Vec<u8> {
        self.objects.lock().unwrap().whole[key].bytes.clone()
    }

    /// From now on it gives no more than this at once of a listing.
    pub fn pages_of(&self, most: usize) {
        self.objects.lock().unwrap().page = Some(most);
    }

    /// From now on it heeds conditions of what changes something.
    pub fn heeds(&self) {
        self.objects.lock().unwrap().heeds = true;
    }

    /// How many objects there are whose keys begin with this and that are no folders, and their bytes.
    pub fn sum(&self, prefix: &str) -> (u64, u64) {
        let objects = self.objects.lock().unwrap();
        let files = objects.whole.iter().filter(|(key, _)| key.starts_with(prefix) && !key.ends_with('/'));
        files.fold((0, 0), |(count, bytes), (_, object)| (count + 1, bytes + object.bytes.len() as u64))
    }

    /// Has another program put something there.
    pub fn put(&self, key: &str, bytes: &[u8]) {
        self.objects.lock().unwrap().put(key, bytes.to_vec(), vec![]);
    }

    /// From now on all that it has of what begins with this, objects and uploads, is so much older.
    pub fn ages(&self, prefix: &str, by: Duration) {
        let mut objects = self.objects.lock().unwrap();
        let Objects { whole, begun, came_at, .. } = &mut *objects;
        whole.iter_mut().filter(|(key, _)| key.starts_with(prefix)).for_each(|(_, object)| object.modified -= by);
        let of_it = |id: &String| begun.get(id).is_some_and(|upload: &Begun| upload.key.starts_with(prefix));
        came_at.iter_mut().filter(|((id, _), _)| of_it(id)).for_each(|(_, at)| *at -= by);
        begun.values_mut().filter(|upload| upload.key.starts_with(prefix)).for_each(|upload| upload.at -= by);
    }

    /// Has another program remove all objects that begin with this.
    pub fn removes(&self, prefix: &str) {
        self.objects.lock().unwrap().whole.retain(|key, _| !key.starts_with(prefix));
    }

    /// How many uploads in parts nobody has ended.
    pub fn unfinished(&self) -> usize {
        self.objects.lock().unwrap().parts.len()
    }
}

impl Objects {
    fn put(&mut self, key: &str, bytes: Vec<u8>, kept: Kept) {
        self.whole.insert(key.to_owned(), Whole { bytes, kept, modified: SystemTime::now() });
    }

    /// What the parts that are named come to; else what it refuses that with.
    fn assembled(&self, id: &str, named: &str) -> Result<Vec<u8>, &'static str> {
        let parts = self.parts.get(id).ok_or("NoSuchUpload")?;
        let between = |text: &str, name: &str| {
            let from = text.split(&format!("<{name}>")).nth(1)?;
            from.split(&format!("</{name}>")).next().map(str::to_owned)
        };
        let (mut bytes, mut last) = (Vec::new(), 0);
        for part in named.split("<Part>").skip(1) {
            let (number, tag) = (between(part, "PartNumber"), between(part, "ETag"));
            let (Some(number), Some(tag)) = (number.and_then(|text| text.parse().ok()), tag) else {
                return Err("MalformedXML");
            };
            if number <= last {
                return Err("InvalidPartOrder");
            }
            last = number;
            bytes.extend(parts.get(&number).filter(|part| etag(part) == tag).ok_or("InvalidPart")?);
        }
        if last == 0 { Err("MalformedXML") } else { Ok(bytes) }
    }
}

/// A time as listings write it.
fn written(time: SystemTime) -> String {
    let text = humantime::format_rfc3339_millis(time).to_string();
    assert!(text.ends_with('Z'));
    text
}

fn serve(stream: TcpStream, objects: &Mutex<Objects>, decide: &Mutex<Box<Decide>>, log: &Mutex<Vec<(String, String)>>) {
    let mut reader = BufReader::new(&stream);
    while let Some(asked) = read(&mut reader) {
        log.lock().unwrap().push((asked.method.clone(), asked.key.clone()));
        let act = (decide.lock().unwrap())(&asked);
        let answer = match act {
            Act::Do => done(&mut objects.lock().unwrap(), &asked),
            Act::DoAndSayNothing => {
                done(&mut objects.lock().unwrap(), &asked);
                return;
            }
            Act::SayNothing => return,
            Act::Cut(headers, body) => {
                let _ = (&stream).write_all(&answer(&asked, 206, &headers, body.as_bytes()));
                return;
            }
            Act::Say(status, headers, body) => answer(&asked, status, headers, body.as_bytes()),
            Act::DoAndSay(body) => {
                done(&mut objects.lock().unwrap(), &asked);
                answer(&asked, 200, "", body.as_bytes())
            }
            Act::DoAndPut(key, bytes) => {
                let mut objects = objects.lock().unwrap();
                let answer = done(&mut objects, &asked);
                objects.put(key, bytes, vec![]);
                answer
            }
            Act::DoLater(hold) => {
                hold.wait();
                done(&mut objects.lock().unwrap(), &asked)
            }
            Act::DoAndSayLater(hold) => {
                let answer = done(&mut objects.lock().unwrap(), &asked);
                hold.wait();
                answer
            }
            Act::Drip(length) => {
                let head = format!("HTTP/1.1 200 X\r\ncontent-length: {length}\r\n\r\n");
                let mut goes_on = (&stream).write_all(head.as_bytes()).is_ok();
                while goes_on {
                    thread::sleep(std::time::Duration::from_millis(20));
                    goes_on = (&stream).write_all(b" ").is_ok();
                }
                return;
            }
        };
        if (&stream).write_all(&answer).is_err() {
            return;
        }
    }
}

fn read(reader: &mut impl std::io::BufRead) -> Option<Asked> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let key = path.splitn(3, '/').nth(2).unwrap_or_default();
    let key = percent_encoding::percent_decode_str(key).decode_utf8().unwrap().into_owned();
    Some(Asked { method, key, query: query.to_owned(), headers, body })
}

fn answer(asked: &Asked, status: u16, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 {status} X\r\n{headers}").into_bytes();
    if !headers.contains("content-length") {
        answer.extend(format!("content-length: {}\r\n", body.len()).bytes());
    }
    answer.extend(b"\r\n");
    if asked.method != "HEAD" {
        answer.extend(body);
    }
    answer
}

fn etag(bytes: &[u8]) -> String {
    format!("\"{}\"", sealift::files::Hash::of(bytes))
}

fn done(objects: &mut Objects, asked: &Asked) -> Vec<u8> {
    let param = |name: &str| {
        let mut pairs = asked.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(key, _)| *key == name)
            .map(|(_, value)| percent_encoding::percent_decode_str(value).decode_utf8().unwrap().into_owned())
    };
    let kept = || {
        asked
            .headers
            .iter()
            .filter(|(name, _)| name.starts_with("x-amz-meta-"))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    };
    let no_upload = || answer(asked, 404, "", b"<Error><Code>NoSuchUpload</Code></Error>");
    let missing = || answer(asked, 404, "", b"<Error><Code>NoSuchKey</Code></Error>");
    if objects.heeds && asked.method != "GET" && asked.method != "HEAD" {
        let there = objects.whole.get(&asked.key).map(|object| etag(&object.bytes));
        let is_absent = |_: &String| there.is_none();
        let is_same = |expected: &String| there.as_ref() == Some(expected);
        let (absent, same) = (asked.headers.get("if-none-match"), asked.headers.get("if-match"));
        if !absent.is_none_or(is_absent) || !same.is_none_or(is_same) {
            return answer(asked, 412, "", b"<Error><Code>PreconditionFailed</Code></Error>");
        }
    }
    match (asked.method.as_str(), param("uploadId")) {
        ("POST", None) => {
            let id = format!("u{}", objects.begun.len());
            let begun = Begun { key: asked.key.clone(), kept: kept(), at: SystemTime::now() };
            objects.begun.insert(id.clone(), begun);
            objects.parts.insert(id.clone(), BTreeMap::new());
            let body =
                format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>");
            answer(asked, 200, "", body.as_bytes())
        }
        ("PUT", Some(id)) => {
            let number = param("partNumber").unwrap().parse().unwrap();
            let copied = asked.headers.get("x-amz-copy-source").map(|source| {
                let key = percent_encoding::percent_decode_str(source).decode_utf8().unwrap().into_owned();
                objects.whole[key.splitn(3, '/').nth(2).unwrap()].bytes.clone()
            });
            let Some(parts) = objects.parts.get_mut(&id) else { return no_upload() };
            let is_copy = copied.is_some();
            let bytes = copied.unwrap_or_else(|| asked.body.clone());
            let etag = etag(&bytes);
            parts.insert(number, bytes);
            objects.came.push(number);
            objects.came_at.insert((id, number), SystemTime::now());
            match is_copy {
                true => {
                    let body = format!("<CopyPartResult><ETag>{etag}</ETag></CopyPartResult>");
                    answer(asked, 200, "", body.as_bytes())
                }
                false => answer(asked, 200, &format!("etag: {etag}\r\n"), b""),
            }
        }
        ("POST", Some(id)) => match objects.assembled(&id, &String::from_utf8_lossy(&asked.body)) {
            Err("NoSuchUpload") => no_upload(),
            Err(code) => answer(asked, 400, "", format!("<Error><Code>{code}</Code></Error>").as_bytes()),
            Ok(bytes) => {
                objects.parts.remove(&id);
                let kept = objects.begun[&id].kept.clone();
                objects.put(&asked.key, bytes, kept);
                answer(asked, 200, "", b"<CompleteMultipartUploadResult/>")
            }
        },
        ("GET", Some(id)) => match objects.parts.get(&id) {
            None => no_upload(),
            Some(parts) => {
                let part = |(number, bytes): (&u32, &Vec<u8>)| {
                    let (etag, size) = (etag(bytes), bytes.len());
                    let at = written(objects.came_at[&(id.clone(), *number)]);
                    format!(
                        "<Part><PartNumber>{number}</PartNumber><LastModified>{at}</LastModified><ETag>{etag}</ETag>\
                         <Size>{size}</Size></Part>"
                    )
                };
                let parts: String = parts.iter().map(part).collect();
                let body = format!("<ListPartsResult><IsTruncated>false</IsTruncated>{parts}</ListPartsResult>");
                answer(asked, 200, "", body.as_bytes())
            }
        },
        ("DELETE", Some(id)) => {
            objects.parts.remove(&id);
            answer(asked, 204, "", b"")
        }
        ("PUT", None) => {
            objects.put(&asked.key, asked.body.clone(), kept());
            answer(asked, 200, &format!("etag: {}\r\n", etag(&asked.body)), b"")
        }
        ("DELETE", None) => {
            objects.whole.remove(&asked.key);
            answer(asked, 204, "", b"")
        }
        (_, None) if asked.key.is_empty() && asked.query.contains("uploads=") => {
            let mut body = String::from("<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>");
            for id in objects.parts.keys() {
                let Begun { key, at, .. } = &objects.begun[id];
                let at = written(*at);
                body +=
                    &format!("<Upload><Key>{key}</Key><UploadId>{id}</UploadId><Initiated>{at}</Initiated></Upload>");
            }
            answer(asked, 200, "", (body + "</ListMultipartUploadsResult>").as_bytes())
        }
        (_, None) if asked.key.is_empty() => {
            let prefix = param("prefix").unwrap();
            let mut body = String::from("<ListBucketResult><EncodingType>url</EncodingType>");
            let most: usize = param("max-keys").unwrap().parse().unwrap();
            let most = objects.page.map_or(most, |page| page.min(most));
            let after = param("continuation-token").unwrap_or_default();
            let mut there =
                objects.whole.iter().filter(|(key, _)| key.starts_with(&prefix) && **key > after).peekable();
            let mut last = String::new();
            for (key, object) in there.by_ref().take(most) {
                last.clone_from(key);
                let (size, etag, modified) = (object.bytes.len(), etag(&object.bytes), written(object.modified));
                let key = percent_encoding::utf8_percent_encode(key, percent_encoding::NON_ALPHANUMERIC);
                body += &format!(
                    "<Contents><Key>{key}</Key><LastModified>{modified}</LastModified><Size>{size}</Size>\
                     <ETag>{etag}</ETag></Contents>"
                );
            }
            let next = match there.peek() {
                None => "<IsTruncated>false</IsTruncated>".to_owned(),
                Some(_) => {
                    // Keys of these tests need no escapes in XML.
                    format!("<IsTruncated>true</IsTruncated><NextContinuationToken>{last}</NextContinuationToken>")
                }
            };
            answer(asked, 200, "", (body + &next + "</ListBucketResult>").as_bytes())
        }
        _ => {
            let Some(Whole { bytes, kept, modified }) = objects.whole.get(&asked.key) else { return missing() };
            let modified = httpdate::fmt_http_date(*modified);
            let mut headers = format!("etag: {}\r\nlast-modified: {modified}\r\n", etag(bytes));
            kept.iter().for_each(|(name, value)| headers += &format!("{name}: {value}\r\n"));
            if asked.method == "HEAD" {
                headers += &format!("content-length: {}\r\n", bytes.len());
            }
            // Ranges are none of what it heeds.
            answer(asked, 200, &headers, bytes)
        }
    }
}
