//! Server-sent events as they come: bytes in, events out (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).
//!
//! `EventSource` would read them too, but it sends no `Authorization` header.

/// No event of ours comes near this. What is longer is not our server's, and would only fill the memory.
pub const LENGTH_MAX: usize = 4 * 1_024 * 1_024;

/// One event: its name, `message` where it has none, and its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub name: String,
    pub data: String,
}

/// A line or an event that is longer than [`LENGTH_MAX`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// What was read of one stream so far. Chunks may end anywhere, also within a character.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    name: String,
    data: String,
    /// The last byte was a carriage return: a line feed after it ends the same line.
    after_return: bool,
    is_begun: bool,
}

impl Parser {
    /// The events that end in this chunk, in their order. After an error the stream is not to be read on.
    pub fn handle_chunk(&mut self, chunk: &[u8]) -> Result<Vec<Event>, TooLong> {
        let mut events = Vec::new();
        for byte in chunk {
            let is_second = std::mem::replace(&mut self.after_return, *byte == b'\r') && *byte == b'\n';
            match byte {
                b'\n' if is_second => {}
                b'\n' | b'\r' => events.extend(self.handle_line()),
                _ if self.line.len() + self.data.len() >= LENGTH_MAX => return Err(TooLong),
                _ => self.line.push(*byte),
            }
        }
        Ok(events)
    }

    fn handle_line(&mut self) -> Option<Event> {
        let bytes = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&bytes);
        let first = !std::mem::replace(&mut self.is_begun, true);
        let line = if first { text.strip_prefix('\u{feff}').unwrap_or(&text) } else { &text };
        if line.is_empty() {
            return self.end_event();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            // A comment has an empty name. `id` and `retry` are for `EventSource`: we go on by cursors and by backoff.
            _ => {}
        }
        None
    }

    fn end_event(&mut self) -> Option<Event> {
        let name = std::mem::take(&mut self.name);
        let mut data = std::mem::take(&mut self.data);
        // Each line of data has added a line feed; without any there is no event.
        data.pop()?;
        Some(Event { name: if name.is_empty() { "message".to_owned() } else { name }, data })
    }
}
