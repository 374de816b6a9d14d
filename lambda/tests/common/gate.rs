//! [`Gate`]: what stands between the function and the emulator, and lets through what the test says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;

use upright_testkit::Env;

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// It reaches the emulator.
    Through,
    /// It is refused with this status and the code `InternalError`, and reaches nothing.
    Refused(u16),
    /// It reaches the emulator, and nobody learns what that answered.
    AnswerLost,
    /// It is answered with this JSON, and reaches nothing.
    Answered(&'static str),
    /// Nothing ever comes.
    Held,
}

/// The gate, listening on a port of its own until the process ends.
pub struct Gate {
    port: u16,
}

impl Gate {
    /// In front of a port of this machine. `decide` is given the first line of each request and its body.
    pub fn before(port: u16, decide: impl Fn(&str, &str) -> Pass + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let own = listener.local_addr().unwrap().port();
        let decide = Arc::new(decide);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let decide = Arc::clone(&decide);
                // A connection that breaks off is the client's to deal with.
                std::thread::spawn(move || drop(pass(&stream, port, decide.as_ref())));
            }
        });
        Self { port: own }
    }

    /// The environment for a program that is to find AWS behind it.
    pub fn env(&self, env: Env) -> Env {
        env.with("AWS_ENDPOINT_URL", &format!("http://localhost:{}", self.port))
    }
}

/// One request a connection, which is closed then.
fn pass(stream: &TcpStream, port: u16, decide: &dyn Fn(&str, &str) -> Pass) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let lower = line.to_ascii_lowercase();
        if lower.trim().is_empty() {
            break;
        }
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if !lower.starts_with("connection:") {
            head.push_str(&line);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let first = head.lines().next().unwrap_or_default();
    let decided = decide(first, &String::from_utf8_lossy(&body));
    match decided {
        Pass::Held => loop {
            std::thread::park();
        },
        Pass::Answered(text) => {
            let length = text.len();
            write!(
                &mut &*stream,
                "HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: {length}\r\nConnection: \
                 close\r\n\r\n{text}"
            )?;
        }
        Pass::Refused(status) => {
            let text = "<Error><Code>InternalError</Code><Message>no</Message></Error>";
            let length = text.len();
            write!(
                &mut &*stream,
                "HTTP/1.1 {status} No\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}"
            )?;
        }
        Pass::Through | Pass::AnswerLost => {
            let mut behind = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
            behind.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes())?;
            behind.write_all(&body)?;
            let mut answer = Vec::new();
            behind.read_to_end(&mut answer)?;
            if decided == Pass::Through {
                (&mut &*stream).write_all(&answer)?;
            }
        }
    }
    Ok(())
}
