//! Reads rini's messages from src/messages/texts/rini.txt, and checks whether a line is one of them.

use std::fs;
use std::path::Path;

/// A piece of a message: a text, a placeholder, or a placeholder in quotes.
enum Piece {
    Text(String),
    Any,
    Quoted,
}

struct Message {
    form: String,
    pieces: Vec<Piece>,
}

pub struct Messages(Vec<Message>);

/// A placeholder stands for at most this many words, for a message that is a part of others, or for a colon and a list of these.
const WORDS: usize = 3;
const LEVELS: [&str; 5] = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"];

impl Messages {
    /// The messages of rini under its own name.
    pub fn of_rini() -> Messages {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/messages/texts");
        let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        let mut messages = Messages::of(&text("rini.txt"));
        let no_memory = text("no_memory.txt");
        let pieces = pieces(no_memory.trim_end().strip_prefix("rini: ERROR ").unwrap());
        messages.0.push(Message { form: "error".to_owned(), pieces });
        messages
    }

    fn of(text: &str) -> Messages {
        let mut found: Vec<Message> = Vec::new();
        let mut is_table = false;
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some(form) = line.strip_prefix("== ").and_then(|heading| heading.split(' ').nth(1)) {
                is_table = form == "table";
                found.push(Message { form: form.to_owned(), pieces: vec![] });
            } else if is_table {
                let (_, text) = line.split_once(' ').unwrap();
                found.push(Message { form: "part".to_owned(), pieces: pieces(text) });
            } else if let Some(message) = found.last_mut() {
                message.pieces.extend(pieces(line));
            }
        }
        Messages(found)
    }

    /// The reason why rini never prints this line, which begins with `rini: `.
    pub fn refuse(&self, line: &str) -> Option<String> {
        let rest = line.strip_prefix("rini:").unwrap_or(line).trim();
        let (level, text) = rest.split_once(' ').unwrap_or((rest, ""));
        // The beginnings of lines.
        if rest.is_empty() || (text.is_empty() && LEVELS.contains(&level)) {
            return None;
        }
        // The form itself, and the first line of the help.
        let is_known = |message: &Message| match &message.pieces[..] {
            [Piece::Text(first), ..] => message.form == "stdout" && first == line,
            _ => false,
        };
        if (level, text) == ("LEVEL", "text") || self.0.iter().any(is_known) {
            return None;
        }
        if !LEVELS.contains(&level) {
            return Some(format!("{level:?} is no level of {LEVELS:?}"));
        }
        let form = level.to_lowercase();
        let said = |form: &dyn Fn(&str) -> bool| {
            self.0.iter().any(|message| form(&message.form) && self.matches(self.content(message), text))
                || form("error") && self.0.iter().any(|message| message.form == "part" && self.is_reason(message, text))
        };
        if said(&|known| known == form) {
            return None;
        }
        let other = said(&|known| LEVELS.contains(&&*known.to_uppercase()));
        Some(if other { format!("{level} is not its level") } else { "rini has no such message".to_owned() })
    }

    /// The pieces to match. A message that is one placeholder would match everything, so it matches nothing.
    fn content<'a>(&self, message: &'a Message) -> &'a [Piece] {
        if has_text(&message.pieces) { &message.pieces } else { &[] }
    }

    /// The reason for a failed exec is such a message.
    fn is_reason(&self, message: &Message, text: &str) -> bool {
        text.starts_with("cannot run ") && has_text(&message.pieces) && self.matches(&message.pieces, text)
    }

    fn matches(&self, pieces: &[Piece], text: &str) -> bool {
        let Some((first, rest)) = pieces.split_first() else { return text.is_empty() };
        let mut ends = (1..=text.len()).filter(|end| text.is_char_boundary(*end));
        match first {
            Piece::Text(part) => text.strip_prefix(&**part).is_some_and(|text| self.matches(rest, text)),
            Piece::Quoted => {
                let is_quoted = |text: &str| text.len() > 1 && text.starts_with('"') && text.ends_with('"');
                ends.any(|end| is_quoted(&text[..end]) && self.matches(rest, &text[end..]))
            }
            Piece::Any => ends.any(|end| self.matches(rest, &text[end..]) && self.may_stand(&text[..end])),
        }
    }

    /// True if a placeholder may stand for this text.
    fn may_stand(&self, text: &str) -> bool {
        let is_part = |message: &Message| {
            message.form == "part" && has_text(&message.pieces) && self.matches(&message.pieces, text)
        };
        match text.strip_prefix(": ") {
            Some(list) => list.split(", ").all(|item| self.may_stand(item)),
            None => text.split_whitespace().count() <= WORDS || self.0.iter().any(is_part),
        }
    }
}

fn has_text(pieces: &[Piece]) -> bool {
    pieces.iter().any(|piece| matches!(piece, Piece::Text(text) if text.trim().len() > 1))
}

/// Splits a message such as `a {file:?} b {reason}`.
fn pieces(line: &str) -> Vec<Piece> {
    let mut found = Vec::new();
    for (number, part) in line.split('{').enumerate() {
        let mut text = part;
        if number > 0 {
            let (name, rest) = part.split_once('}').unwrap_or_else(|| panic!("{line}"));
            found.push(if name.ends_with(":?") { Piece::Quoted } else { Piece::Any });
            text = rest;
        }
        if !text.is_empty() {
            found.push(Piece::Text(text.to_owned()));
        }
    }
    found
}

#[test]
fn lines_are_held_against_the_messages() {
    let messages = Messages::of_rini();
    for good in [
        "rini: INFO pid 7 (sh) ran for 2.3s and exited with 0; signals forwarded: 1, orphans reaped: 3",
        "rini: INFO SIGTERM from pid 12 (kill), forwarded to pid 7 as SIGQUIT",
        "rini: INFO SIGTERM from outside the container, held back for 5s",
        "rini: ERROR cannot run \"/app\": its interpreter \"/bin/bash\" is not in this image",
        "rini: ERROR cannot run \"x\": there is no such program in PATH, which is \"/bin\"; a file in the working directory needs ./ before its name",
        "rini: ERROR --grace-period: \"x\" is not a time from 1ms to 8760h, such as 10s, 1500ms, 0.5 or 2m; leave it out for no limit",
        "rini: WARN pid 7 (server) was killed by SIGKILL, which rini did not send; meanwhile the kernel killed 1 of this container's processes: out of memory, limit 64 MiB",
        "rini: WARN killed pid 7 (sh), which was still there 8s after SIGTERM from outside the container; raise the grace period if it needs longer",
        "rini: INFO waiting for leftover processes: pid 7 (sh), pid 8 (sleep)",
        "rini: LEVEL text",
        "rini: WARN",
        "rini, an init for containers: runs PROGRAM, forwards signals, reaps zombies.",
    ] {
        assert_eq!(messages.refuse(good), None, "{good}");
    }
    for (bad, why) in [
        (
            "rini: WARN pid 7 (sh) ran for 2.3s and exited with 0; signals forwarded: 1, orphans reaped: 3",
            "WARN is not its level",
        ),
        (
            "rini: INFO pid 7 (sh) ran for 2.3s and exited with 0; signals passed on: 1, orphans reaped: 3",
            "rini has no such message",
        ),
        ("rini: ERROR cannot run \"/app\": its interpreter \"/bin/bash\" is not here", "rini has no such message"),
        ("rini: ERROR cannot run /app: it is a directory", "rini has no such message"),
        ("rini: ERROR something else happened to the program", "rini has no such message"),
        ("rini: INFO waiting for leftover processes: pid 7 (sh), the other one was gone", "rini has no such message"),
        ("rini: FATAL no", "\"FATAL\" is no level"),
        ("rini: cannot run \"/app\": it is a directory", "\"cannot\" is no level"),
    ] {
        let refused = messages.refuse(bad);
        assert!(refused.as_ref().is_some_and(|said| said.contains(why)), "{bad}: {refused:?}");
    }
}
