//! What differs from run to run in a line, and what stands for it.

/// A line of a transcript with `<pid>`, `<port>`, `<id>`, `<bytes>`, `<seconds>`, `<time>` and the like in the place
/// of what differs.
pub fn replaced(line: &str) -> String {
    let Some((mark, text)) = line.split_once(": ") else {
        return line.to_owned();
    };
    let text = match mark {
        "log" => logged(text),
        "S" => said(text),
        _ => text.to_owned(),
    };
    format!("{mark}: {text}")
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// Which lines of the log keep their order among each other: those of a program, and of recordio those of a direction.
pub fn writer(line: &str) -> &str {
    match line.find([':', '<', '>']) {
        Some(end) => &line[..=end],
        None => line,
    }
}

/// Pids and ports of superd's lines; the numbers of a connection, of bytes that have such numbers in them, and of
/// seconds in those of programs.
fn logged(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    match words.as_slice() {
        [program, "pid", pid, rest @ ..] if is_number(pid) => {
            format!("{program} pid <pid> {}", rest.join(" "))
        }
        [program, "end", pid, rest @ ..] if is_number(pid) => {
            format!("{program} end <pid> {}", rest.join(" "))
        }
        [program, verdict @ ("ok" | "deny"), pid, rest @ ..] if is_number(pid) => {
            let places: Vec<String> = rest.iter().map(|place| without_port(place)).collect();
            format!("{program} {verdict} <pid> {}", places.join(" "))
        }
        [program, host, "pid", pid, rest @ ..] if is_number(pid.trim_end_matches(':')) => {
            format!("{program} {host} pid <pid>: {}", rest.join(" "))
        }
        // recordio's.
        [pid, way @ ("<" | ">"), rest @ ..] if is_number(pid) => {
            format!("<pid> {way} {}", rest.join(" "))
        }
        _ => {
            // What is delivered has the number of its connection in it, so its size differs, too.
            let delivered = words.get(1) == Some(&"deliver");
            let words = words.into_iter();
            let words: Vec<String> = words.map(|word| field(word, delivered)).collect();
            words.join(" ")
        }
    }
}

fn without_port(place: &str) -> String {
    match place.rsplit_once(':') {
        Some((front, port)) if is_number(port) => format!("{front}:<port>"),
        _ => place.to_owned(),
    }
}

fn field(word: &str, delivered: bool) -> String {
    for (key, placeholder) in [
        ("id=", "<id>"),
        ("pid=", "<pid>"),
        ("qp=", "<pid>"),
        ("seconds=", "<seconds>"),
        ("out=", "<bytes>"),
    ] {
        if word.strip_prefix(key).is_some_and(is_number) {
            return format!("{key}{placeholder}");
        }
    }
    // Of a line without end so much is read as has come.
    if word
        .strip_prefix("in=")
        .is_some_and(|count| is_number(count) && count.len() > 5)
    {
        return "in=<bytes>".to_owned();
    }
    if delivered && word.starts_with("size=") {
        return "size=<bytes>".to_owned();
    }
    let file = word.split_once("/new/");
    if let Some((dir, _)) = file.filter(|_| word.starts_with("file=")) {
        return format!("{dir}/new/<name>");
    }
    match word.split_once('=') {
        Some((key @ ("message" | "qp"), id)) => format!("{key}={}", message(id)),
        _ => word.to_owned(),
    }
}

/// A message's id without its time and pid: what follows counts the messages of a session.
fn message(id: &str) -> String {
    match id.split('.').collect::<Vec<&str>>().as_slice() {
        [time, pid, rest @ ..] if time.len() == 10 && is_number(time) && is_number(pid) => {
            let parts = [&["<time>", "<pid>"], rest].concat();
            parts.join(".")
        }
        _ => id.to_owned(),
    }
}

/// The numbers of a message that is taken, or of a mailbox; challenges.
fn said(line: &str) -> String {
    let mut line = line.to_owned();
    for word in ["UIDVALIDITY", "HIGHESTMODSEQ", "COPYUID", "APPENDUID"] {
        if let Some((before, after)) = line.split_once(&format!("[{word} ")) {
            let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
            line = format!("{before}[{word} <number>{after}");
        }
    }
    let words: Vec<&str> = line.split(' ').collect();
    match words.as_slice() {
        ["250", "ok", time, "qp", pid] if is_number(time) && is_number(pid) => {
            "250 ok <time> qp <pid>".to_owned()
        }
        ["250", code, "ok", id] => format!("250 {code} ok {}", message(id)),
        // Base64 of `<` and of what is not printed.
        [code @ ("334" | "+"), challenge]
            if challenge.starts_with("PD") || challenge.len() > 40 =>
        {
            format!("{code} <challenge>")
        }
        ["+OK", challenge] if challenge.starts_with('<') && challenge.ends_with('>') => {
            "+OK <challenge>".to_owned()
        }
        _ => line,
    }
}
