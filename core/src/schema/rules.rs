//! Merge rules: what becomes of a field that both sides changed.
//!
//! A table declares them by the path of a field: `status`, `address.city`, `time_logs.*.note`, where `*` stands for any key of an
//! object, any place of a list, any entry of a union. Of several that fit a path the one counts that names more of it, from
//! the left. A strategy says what holds where none fits.

use serde_json::Value;

use super::{
    Field, FieldKind, SchemaError,
    parse::{at, error, object, only},
};
use crate::sorted::SortedMap;

/// The rules of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Where no declared rule fits.
    pub strategy: Strategy,
    declared: SortedMap<Vec<Step>, Rule>,
}

/// A part of a declared path. What names a key comes before what stands for any.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Key(String),
    Any,
}

/// What becomes of one field that both sides changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub way: Way,
    /// The user is told that something was settled by it.
    pub notify: bool,
}

/// How two values become one. A way that does not fit the values, as the highest of two texts, leaves them to a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// The server's.
    Server,
    /// This device's.
    Client,
    /// The one that was written later, by the server's clock; the server's, if nobody can tell.
    Latest,
    /// The greater number.
    Highest,
    /// The lesser number.
    Lowest,
    /// The text that stands further on in this list.
    Progression(Vec<String>),
    /// All entries of both lists.
    Union(Union),
    /// Two lists place by place, each place as a field of its own.
    Positions,
    /// What was added on both sides, or taken away, is added up.
    Counter,
    /// Two texts line by line.
    Text,
    /// A person decides.
    Manual,
    /// A function of the app, registered under this name.
    Function(String),
}

/// How the entries of two lists are told apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Union {
    /// Entries are objects, named by this key of theirs. `None`: an entry is named by all that it is.
    pub by: Option<String>,
    /// The keys of an entry's start and end: entries that come to overlap are flagged.
    pub overlap: Option<[String; 2]>,
}

/// How it is told that a record is not any more what a change was made on (V2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Detect {
    /// Its version is another.
    #[default]
    Version,
    /// It was changed later, by the server's clock.
    Timestamp,
    /// Its fields are others: one that was changed, and changed back, is the same.
    Hash,
}

impl Detect {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Timestamp => "timestamp",
            Self::Hash => "hash",
        }
    }

    pub(super) fn parse(value: &Value, path: &str) -> Result<Self, SchemaError> {
        let all = [Self::Version, Self::Timestamp, Self::Hash];
        all.into_iter()
            .find(|detect| value.as_str() == Some(detect.name()))
            .map_or_else(|| error(path, "must be one of `version`, `timestamp`, `hash`"), Ok)
    }
}

/// What becomes of fields without a rule of their own (V2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Strategy {
    ServerWins,
    ClientWins,
    LastWriteWins,
    /// By rules, and by a person where there is none.
    #[default]
    Merge,
    /// By a person.
    Manual,
}

impl Strategy {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ServerWins => "server-wins",
            Self::ClientWins => "client-wins",
            Self::LastWriteWins => "last-write-wins",
            Self::Merge => "merge",
            Self::Manual => "manual",
        }
    }

    /// The way of a field without a rule of its own.
    #[must_use]
    pub const fn way(self) -> Way {
        match self {
            Self::ServerWins => Way::Server,
            Self::ClientWins => Way::Client,
            Self::LastWriteWins => Way::Latest,
            Self::Merge | Self::Manual => Way::Manual,
        }
    }

    /// The strategy of this word; `path`: where the word stands.
    pub fn parse(value: &Value, path: &str) -> Result<Self, SchemaError> {
        let all = [Self::ServerWins, Self::ClientWins, Self::LastWriteWins, Self::Merge, Self::Manual];
        all.into_iter().find(|strategy| value.as_str() == Some(strategy.name())).map_or_else(
            || {
                let known = all.map(|strategy| format!("`{}`", strategy.name())).join(", ");
                error(path, format!("must be one of {known}"))
            },
            Ok,
        )
    }
}

impl Way {
    /// The word for it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::Latest => "latest",
            Self::Highest => "highest",
            Self::Lowest => "lowest",
            Self::Progression(_) => "progression",
            Self::Union(_) => "union",
            Self::Positions => "positions",
            Self::Counter => "counter",
            Self::Text => "text",
            Self::Manual => "manual",
            Self::Function(_) => "function",
        }
    }

    /// The kinds of field that hold what it is for; `json` may hold anything.
    fn fits(&self, kind: FieldKind) -> bool {
        match self {
            Self::Server | Self::Client | Self::Latest | Self::Manual | Self::Function(_) => true,
            Self::Highest | Self::Lowest | Self::Counter => {
                matches!(kind, FieldKind::Number | FieldKind::Json)
            }
            Self::Progression(_) | Self::Text => matches!(kind, FieldKind::String | FieldKind::Json),
            Self::Union(_) | Self::Positions => kind == FieldKind::Json,
        }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self::of(Strategy::default())
    }
}

impl Rules {
    /// One strategy, and no rule.
    #[must_use]
    pub const fn of(strategy: Strategy) -> Self {
        Self { strategy, declared: SortedMap::new() }
    }

    /// The declared rule for a path.
    #[must_use]
    pub fn declared(&self, path: &[String]) -> Option<&Rule> {
        let fits = |steps: &[Step]| {
            steps.len() == path.len()
                && steps.iter().zip(path).all(|(step, name)| match step {
                    Step::Key(key) => key == name,
                    Step::Any => true,
                })
        };
        // In the order of the map, what names more of a path comes first.
        self.declared.iter().find(|(steps, _)| fits(steps)).map(|(_, rule)| rule)
    }

    /// Reads the `rules` of a table with these fields, if it has any, beside its strategy.
    pub fn parse(
        rules: Option<&Value>,
        strategy: Strategy,
        path: &str,
        fields: &SortedMap<String, Field>,
    ) -> Result<Self, SchemaError> {
        let mut declared = SortedMap::new();
        let Some(rules) = rules else { return Ok(Self::of(strategy)) };
        for (name, value) in object(rules, path)? {
            let path = at(path, name);
            let steps: Vec<Step> = name.split('.').map(step).collect();
            let Some(Step::Key(first)) = steps.first() else {
                return error(&path, "must begin with a field's name");
            };
            let Some(field) = fields.get(first) else {
                return error(&path, format!("`{first}` is no field of this table"));
            };
            if steps.len() > 1 && field.kind != FieldKind::Json {
                return error(&path, format!("`{first}` is a {} and has no parts", field.kind.name()));
            }
            let rule = rule(value, &path)?;
            if steps.len() == 1 && !rule.way.fits(field.kind) {
                let (way, kind) = (rule.way.name(), field.kind.name());
                return error(&path, format!("`{way}` is not for a {kind}"));
            }
            declared.insert(steps, rule);
        }
        Ok(Self { strategy, declared })
    }
}

fn step(name: &str) -> Step {
    if name == "*" { Step::Any } else { Step::Key(name.to_owned()) }
}

/// A word, or an object that has it as its key.
fn rule(value: &Value, path: &str) -> Result<Rule, SchemaError> {
    if let Some(word) = value.as_str() {
        let way = way(word, &Value::Bool(true), path)?;
        return Ok(Rule { way, notify: false });
    }
    let map = object(value, path)?;
    let notify = match map.get("notify") {
        None => false,
        Some(Value::Bool(notify)) => *notify,
        Some(_) => return error(&at(path, "notify"), "must be `true` or `false`"),
    };
    let mut ways = map.iter().filter(|(key, _)| *key != "notify");
    let (Some((word, value)), None) = (ways.next(), ways.next()) else {
        return error(path, "must name one way to merge, and `notify` beside it if the user is to be told");
    };
    Ok(Rule { way: way(word, value, &at(path, word))?, notify })
}

fn way(word: &str, value: &Value, path: &str) -> Result<Way, SchemaError> {
    let way = match (word, value) {
        ("progression", Value::Array(list)) => return progression(list, path),
        ("progression", _) => return error(path, "must be a list of texts, the furthest one last"),
        ("union", Value::Object(_)) => return union(value, path),
        ("function", Value::String(name)) if !name.is_empty() => Way::Function(name.clone()),
        ("function", _) => return error(path, "must be the name of a function"),
        ("server", _) => Way::Server,
        ("client", _) => Way::Client,
        ("latest", _) => Way::Latest,
        ("highest", _) => Way::Highest,
        ("lowest", _) => Way::Lowest,
        ("union", _) => Way::Union(Union::default()),
        ("positions", _) => Way::Positions,
        ("counter", _) => Way::Counter,
        ("text", _) => Way::Text,
        ("manual", _) => Way::Manual,
        _ => return error(path, format!("`{word}` is no way to merge")),
    };
    let takes_nothing = !matches!(way, Way::Function(_));
    if takes_nothing && *value != Value::Bool(true) {
        return error(path, "must be `true`");
    }
    Ok(way)
}

fn progression(list: &[Value], path: &str) -> Result<Way, SchemaError> {
    let texts: Option<Vec<String>> = list.iter().map(|value| value.as_str().map(str::to_owned)).collect();
    let Some(texts) = texts.filter(|texts| texts.len() > 1) else {
        return error(path, "must be a list of at least two texts, the furthest one last");
    };
    match texts.iter().enumerate().find(|(at, text)| texts[..*at].contains(text)) {
        Some((_, twice)) => error(path, format!("names `{twice}` twice")),
        None => Ok(Way::Progression(texts)),
    }
}

fn union(value: &Value, path: &str) -> Result<Way, SchemaError> {
    let map = object(value, path)?;
    only(map, path, &["by", "overlap"])?;
    let by = match map.get("by") {
        None => None,
        Some(Value::String(key)) => Some(key.clone()),
        Some(_) => return error(&at(path, "by"), "must be the name of a key"),
    };
    let overlap = match map.get("overlap").map(|value| value.as_array().map(Vec::as_slice)) {
        None => None,
        Some(Some([Value::String(start), Value::String(end)])) => Some([start.clone(), end.clone()]),
        Some(_) => {
            return error(&at(path, "overlap"), "must name the keys of start and end, as `[start, end]`");
        }
    };
    Ok(Way::Union(Union { by, overlap }))
}
