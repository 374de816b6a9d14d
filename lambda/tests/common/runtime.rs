//! [`Function`]: the built program in a [Runtime API](https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html) of the
//! test's own.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tempfile::TempDir;
use upright_testkit::Env;

/// The longest that a test waits for an answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// An invocation that the function has not asked for yet.
struct Invocation {
    id: String,
    payload: String,
    limit: Duration,
}

/// What the function answered.
#[derive(Debug)]
pub struct Answer {
    /// The answer, or the error.
    pub result: Result<Value, Value>,
    /// From the invocation to the answer.
    pub took: Duration,
}

impl Answer {
    /// The answer.
    pub fn done(&self) -> &Value {
        self.result.as_ref().unwrap_or_else(|error| panic!("it failed: {error}"))
    }

    /// Kind and message of the error.
    pub fn failed(&self) -> (&str, &str) {
        let Err(error) = &self.result else { panic!("it did not fail: {self:?}") };
        (error["errorType"].as_str().unwrap(), error["errorMessage"].as_str().unwrap())
    }
}

/// The function in a process, for as long as the value lives.
pub struct Function {
    child: Child,
    log: PathBuf,
    _dir: TempDir,
    queue: Sender<Invocation>,
    answers: Receiver<(String, Result<Value, Value>)>,
    invoked: usize,
    /// When the process was started.
    pub started: Instant,
}

impl Function {
    /// Starts it with its package in a folder.
    pub fn start(env: &Env, package: &Path, more: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (queue, invocations) = channel();
        let (answered, answers) = channel();
        let api = Arc::new(Api { invocations: Mutex::new(invocations), answered: Mutex::new(answered) });
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let api = Arc::clone(&api);
                std::thread::spawn(move || api.serve(stream));
            }
        });
        let dir = TempDir::new().unwrap();
        let log = dir.path().join("log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_bootstrap"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("UPRIGHT_") {
                command.env_remove(name);
            }
        }
        env.apply(&mut command);
        let started = Instant::now();
        let child = command
            .env("AWS_LAMBDA_RUNTIME_API", address)
            .env("AWS_LAMBDA_FUNCTION_NAME", "upright")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("LAMBDA_TASK_ROOT", package)
            .env("TMPDIR", dir.path())
            .envs(more.iter().copied())
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(File::create(&log).unwrap())
            .stderr(File::create(dir.path().join("stderr")).unwrap())
            .spawn()
            .unwrap();
        Self { child, log, _dir: dir, queue, answers, invoked: 0, started }
    }

    /// Invokes it with a minute to answer.
    pub fn invoke(&mut self, payload: &Value) -> Answer {
        self.invoke_within(&payload.to_string(), Duration::from_secs(60))
    }

    /// Invokes it with that text, and that long to answer.
    pub fn invoke_within(&mut self, payload: &str, limit: Duration) -> Answer {
        self.invoked += 1;
        let id = format!("8476a536-e9f4-11e8-9739-{:012}", self.invoked);
        let begun = Instant::now();
        self.queue.send(Invocation { id: id.clone(), payload: payload.to_owned(), limit }).unwrap();
        let (of, result) = self
            .answers
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|_| panic!("no answer; its log: {}", self.log().join("\n")));
        assert_eq!(of, id);
        Answer { result, took: begun.elapsed() }
    }

    /// The lines that it has logged.
    pub fn log(&self) -> Vec<String> {
        fs::read_to_string(&self.log).unwrap().lines().map(str::to_owned).collect()
    }

    /// Ends it in the middle of whatever it does.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        // Both fail only when it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Api {
    invocations: Mutex<Receiver<Invocation>>,
    answered: Mutex<Sender<(String, Result<Value, Value>)>>,
}

impl Api {
    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while let Some((line, body)) = request(&mut reader) {
            let answer = self.answer(&line, &body);
            if (&stream).write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }

    fn answer(&self, line: &str, body: &str) -> String {
        let path = line.split(' ').nth(1).unwrap();
        let parts: Vec<&str> = path.trim_start_matches("/2018-06-01/runtime/").split('/').collect();
        match parts.as_slice() {
            ["invocation", "next"] => {
                // The function waits until there is something to do, and for ever when the test is over.
                let Ok(Invocation { id, payload, limit }) = self.invocations.lock().unwrap().recv() else {
                    return "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n".to_owned();
                };
                let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + limit;
                format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: {id}\r\n\
                     Lambda-Runtime-Deadline-Ms: {}\r\nLambda-Runtime-Invoked-Function-Arn: \
                     arn:aws:lambda:us-east-1:123456789012:function:upright\r\nLambda-Runtime-Trace-Id: Root=1-5bef4de7\r\n\
                     Content-Length: {}\r\n\r\n{payload}",
                    deadline.as_millis(),
                    payload.len()
                )
            }
            ["invocation", id, how] => {
                let value: Value = serde_json::from_str(body).unwrap();
                let result = if *how == "response" { Ok(value) } else { Err(value) };
                // Nobody waits any more when the test is over.
                let _ = self.answered.lock().unwrap().send(((*id).to_owned(), result));
                "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n".to_owned()
            }
            _ => panic!("the function asked for {line}: {body}"),
        }
    }
}

/// The first line of the next request, and its body; none when the connection is closed.
fn request(reader: &mut impl BufRead) -> Option<(String, String)> {
    let mut first = String::new();
    if reader.read_line(&mut first).ok()? == 0 {
        return None;
    }
    let (mut length, mut is_chunked) = (0, false);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        is_chunked |= line == "transfer-encoding: chunked";
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    while is_chunked {
        let mut size = String::new();
        reader.read_line(&mut size).ok()?;
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        let mut chunk = vec![0; size + 2];
        reader.read_exact(&mut chunk).ok()?;
        body.extend_from_slice(&chunk[..size]);
        is_chunked = size > 0;
    }
    Some((first, String::from_utf8(body).unwrap()))
}
