//! Log lines with what differs from run to run taken out.

/// A line with its pid and its ports replaced by PID and PORT; lines of other forms as they are.
pub fn normalise(line: &str) -> String {
    let Some((prefix, rest)) = line.split_once(": ") else {
        return line.to_owned();
    };
    let words: Vec<&str> = rest.split(' ').collect();
    let numeric = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    match words.as_slice() {
        ["pid", pid, "from", address] if numeric(pid) => {
            format!("{prefix}: pid PID from {address}")
        }
        ["end", pid, "status", status] if numeric(pid) => {
            format!("{prefix}: end PID status {status}")
        }
        [verdict @ ("ok" | "deny"), pid, local, remote] if numeric(pid) => {
            format!(
                "{prefix}: {verdict} PID {} {}",
                without_port(local),
                without_port(remote)
            )
        }
        _ => line.to_owned(),
    }
}

fn without_port(place: &str) -> String {
    match place.rsplit_once(':') {
        Some((front, port)) if port.parse::<u16>().is_ok() => format!("{front}:PORT"),
        _ => place.to_owned(),
    }
}

/// A line without what differs from run to run: the number of its session, and what passed in which time.
pub fn without_session(line: &str) -> String {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_of_run = |word: &&str| {
        let of = |key| word.strip_prefix(key).is_some_and(is_number);
        of("id=") || of("in=") || of("out=") || line.contains(" in=") && of("seconds=")
    };
    let words: Vec<&str> = line.split(' ').filter(|word| !is_of_run(word)).collect();
    words.join(" ")
}

/// [`without_session`] for each line of a text.
pub fn without_sessions(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(without_session).collect();
    lines.join("\n")
}

/// [`normalise`] for each line.
pub fn normalise_all(lines: &[String]) -> Vec<String> {
    lines.iter().map(|line| normalise(line)).collect()
}

/// The pid that a line tells of (`pid N from`, `ok N`, `deny N`, `end N`).
pub fn pid_of(line: &str) -> u32 {
    let word = line.split(' ').nth(2);
    word.and_then(|word| word.parse().ok())
        .unwrap_or_else(|| panic!("no pid in {line:?}"))
}
