//! An ident server (RFC 1413) of a test's own, on port 113 of a client's address (so: as root).

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex};

/// A running ident server; it lives as long as the process.
#[derive(Debug)]
pub struct Ident {
    asked: Arc<Mutex<Vec<String>>>,
}

impl Ident {
    /// Starts one on `client` that gives every question the same answer. `{q}` in it becomes the
    /// question's two numbers. `None`: it takes the question and never answers.
    pub fn start(client: Ipv4Addr, answer: Option<&[u8]>) -> Ident {
        let listener = TcpListener::bind((client, 113))
            .unwrap_or_else(|error| panic!("{client}:113: {error}"));
        let answer = answer.map(<[u8]>::to_vec);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        std::thread::spawn(move || {
            // Connections that get no answer are kept open, not closed.
            let mut silent = Vec::new();
            for stream in listener.incoming().flatten() {
                let mut stream = BufReader::new(stream);
                let mut question = String::new();
                if stream.read_line(&mut question).is_err() {
                    continue;
                }
                kept.lock().unwrap().push(question.clone());
                match &answer {
                    None => silent.push(stream),
                    Some(answer) => {
                        let _ = stream
                            .get_mut()
                            .write_all(&fill(answer, question.trim_end().as_bytes()));
                    }
                }
            }
        });
        Ident { asked }
    }

    /// The questions so far, each with its line end.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn fill(answer: &[u8], question: &[u8]) -> Vec<u8> {
    match answer.windows(3).position(|part| part == b"{q}") {
        Some(at) => [&answer[..at], question, &answer[at + 3..]].concat(),
        None => answer.to_vec(),
    }
}
