//! From the JSON document to a [`Schema`], by hand: the errors name the place in the document, and a word that this
//! release does not know is refused rather than ignored, since ignoring it could lose what it protects.

use serde_json::{Map, Value};

use super::{
    Field, FieldKind, Ids, OnDelete, Priority, PriorityRule, PullRule, Reference, Schema, SchemaError, Scope,
    Table, rollups,
    rules::{Detect, Rules, Strategy},
    scope::Term,
};
use crate::sorted::SortedMap;

/// Parts of the schema language that exist in the design and come with a later release.
const LATER: [&str; 1] = ["retention"];

/// Longer names would make ids and indexes unwieldy.
const NAME_CHARS_MAX: usize = 64;

type Parsed<T> = Result<T, SchemaError>;

pub(super) fn error<T>(path: &str, message: impl Into<String>) -> Parsed<T> {
    Err(SchemaError { path: path.to_owned(), message: message.into() })
}

pub(super) fn at(path: &str, key: &str) -> String {
    if path == "schema" { key.to_owned() } else { format!("{path}.{key}") }
}

pub(super) fn object<'a>(value: &'a Value, path: &str) -> Parsed<&'a Map<String, Value>> {
    match value {
        Value::Object(map) => Ok(map),
        _ => error(path, "must be an object"),
    }
}

pub(super) fn only(map: &Map<String, Value>, path: &str, known: &[&str]) -> Parsed<()> {
    if let Some(key) = map.keys().find(|key| !known.contains(&key.as_str())) {
        let path = at(path, key);
        return if LATER.contains(&key.as_str()) {
            error(&path, "is not supported in this release")
        } else {
            error(&path, format!("is not a key of the schema; known here: {}", known.join(", ")))
        };
    }
    Ok(())
}

/// A table's or field's name. Names become parts of ids, paths, indexes and JSON paths in SQL, so their alphabet is
/// narrow: letters and digits of any script, `_` and `-`.
pub(super) fn name(name: &str, path: &str) -> Parsed<()> {
    if name == "id" || name.starts_with('_') {
        return error(path, "is a reserved name: `id` and names that begin with `_` are Landfall's");
    }
    let legal = name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    if !legal || !name.starts_with(char::is_alphabetic) || name.chars().count() > NAME_CHARS_MAX {
        return error(
            path,
            format!(
                "is not a name: a letter, then letters, digits, `_` or `-`, {NAME_CHARS_MAX} characters at most"
            ),
        );
    }
    Ok(())
}

pub(super) fn schema(document: &Value) -> Parsed<Schema> {
    let map = object(document, "schema")?;
    only(map, "schema", &["version", "minReader", "minWriter", "tables", "scopes", "conflict"])?;
    let version = map
        .get("version")
        .map_or_else(|| error("version", "is missing"), |value| number(value, "version"))?;
    let min_reader = least(map, "minReader", version)?;
    let min_writer = least(map, "minWriter", version)?;
    let Some(tables) = map.get("tables") else { return error("tables", "is missing") };
    let tables = object(tables, "tables")?;
    if tables.is_empty() {
        return error("tables", "must name at least one table");
    }
    let usual = conflict(map.get("conflict"), "conflict", Conflict::default())?;
    let mut parsed = SortedMap::new();
    for (table_name, value) in tables {
        let path = at("tables", table_name);
        name(table_name, &path)?;
        parsed.insert(table_name.clone(), table(value, &path, usual)?);
    }
    for (table_name, table) in &parsed {
        for (field, reference) in &table.references {
            if !parsed.contains_key(&reference.table) {
                let path = format!("tables.{table_name}.references.{field}.table");
                return error(
                    &path,
                    format!("refers to `{}`, which is no table of this schema", reference.table),
                );
            }
        }
    }
    let scopes = match map.get("scopes") {
        None => SortedMap::new(),
        Some(value) => scopes(value, &parsed)?,
    };
    for (table_name, table) in &parsed {
        if let Some(scope) = table.pull.scope.as_ref().filter(|scope| !scopes.contains_key(*scope)) {
            let path = format!("tables.{table_name}.pull.scope");
            return error(&path, format!("names `{scope}`, which is no scope of this schema"));
        }
    }
    let mut schema = Schema {
        version,
        min_reader,
        min_writer,
        tables: parsed,
        scopes,
        rollups: Vec::new(),
        rollups_text: String::new(),
    };
    rollups::add(&mut schema, tables)?;
    Ok(schema)
}

fn scopes(value: &Value, tables: &SortedMap<String, Table>) -> Parsed<SortedMap<String, Scope>> {
    object(value, "scopes")?
        .iter()
        .map(|(scope, value)| {
            let path = at("scopes", scope);
            name(scope, &path)?;
            let map = object(value, &path)?;
            if map.is_empty() {
                return error(&path, "must filter at least one table");
            }
            let mut filters = SortedMap::new();
            for (table, value) in map {
                let path = at(&path, table);
                let Some(definition) = tables.get(table) else {
                    return error(&path, "is no table of this schema");
                };
                filters.insert(table.clone(), conditions(value, &path, definition)?);
            }
            Ok((scope.clone(), Scope::new(filters, tables)))
        })
        .collect()
}

fn conditions(value: &Value, path: &str, table: &Table) -> Parsed<SortedMap<String, Vec<Term>>> {
    let map = object(value, path)?;
    if map.is_empty() {
        return error(path, "must have a condition on at least one field");
    }
    map.iter()
        .map(|(field, value)| {
            let path = at(path, field);
            let Some(definition) = table.field(field) else {
                return error(&path, format!("`{field}` is no field of this table"));
            };
            let terms = match value {
                Value::Array(list) if list.is_empty() => {
                    return error(&path, "must allow at least one value");
                }
                Value::Array(list) => {
                    let each = list.iter().enumerate();
                    each.map(|(index, value)| term(value, &format!("{path}[{index}]"), definition))
                        .collect::<Parsed<_>>()?
                }
                one => vec![term(one, &path, definition)?],
            };
            Ok((field.clone(), terms))
        })
        .collect()
}

fn term(value: &Value, path: &str, field: Field) -> Parsed<Term> {
    let fits = match (value, field.kind) {
        (_, FieldKind::Json) => return error(path, "filters a json field, which has no values to compare"),
        (Value::Null, _) => field.optional,
        (Value::String(_), FieldKind::String)
        | (Value::Number(_), FieldKind::Number)
        | (Value::Bool(_), FieldKind::Boolean) => true,
        _ => false,
    };
    if !fits {
        return error(path, format!("must be a {} or a list of them", field.kind.name()));
    }
    Ok(match value.as_str() {
        Some("$principal") => Term::Principal,
        Some(word) if word.starts_with('$') => {
            return error(path, format!("`{word}` is not known; only `$principal` stands for something"));
        }
        _ => Term::Value(value.clone()),
    })
}

fn pull_rule(value: Option<&Value>, path: &str) -> Parsed<PullRule> {
    let Some(value) = value else { return Ok(PullRule::default()) };
    let map = object(value, path)?;
    only(map, path, &["everyMs", "scope", "priority"])?;
    let every_ms = match map.get("everyMs") {
        None => 0,
        Some(value) => match whole(value) {
            Some(ms) => ms,
            None => return error(&at(path, "everyMs"), "must be a whole number of milliseconds, 0 or more"),
        },
    };
    let scope = match map.get("scope") {
        None => None,
        Some(Value::String(scope)) => Some(scope.clone()),
        Some(_) => return error(&at(path, "scope"), "must be the name of a scope"),
    };
    let rule = PullRule::default();
    let priority =
        map.get("priority").map_or(Ok(rule.priority), |word| self::priority(word, &at(path, "priority")))?;
    Ok(PullRule { every_ms, scope, priority })
}

/// A JavaScript host hands over doubles: 1.0 is the integer 1.
fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole and in range, as checked"
        )]
        value
            .as_f64()
            .filter(|n| n.fract() == 0.0 && (0.0..=9_007_199_254_740_991.0).contains(n))
            .map(|n| n as u64)
    })
}

/// The least version of the schema that may do something, up to this one.
fn least(map: &Map<String, Value>, key: &str, version: u32) -> Parsed<u32> {
    let Some(value) = map.get(key) else { return Ok(1) };
    match number(value, key)? {
        least if least > version => error(key, format!("must not be above `version`, which is {version}")),
        least => Ok(least),
    }
}

fn number(value: &Value, path: &str) -> Parsed<u32> {
    match whole(value).and_then(|n| u32::try_from(n).ok()) {
        Some(version) if version > 0 => Ok(version),
        _ => error(path, "must be a positive integer"),
    }
}

/// How conflicts are found, and what becomes of fields without a rule.
#[derive(Clone, Copy, Default)]
struct Conflict {
    detect: Detect,
    strategy: Strategy,
}

/// `usual`: what holds where it does not say.
fn conflict(value: Option<&Value>, path: &str, usual: Conflict) -> Parsed<Conflict> {
    let Some(value) = value else { return Ok(usual) };
    let map = object(value, path)?;
    only(map, path, &["detect", "strategy"])?;
    Ok(Conflict {
        detect: map
            .get("detect")
            .map_or(Ok(usual.detect), |word| Detect::parse(word, &at(path, "detect")))?,
        strategy: map
            .get("strategy")
            .map_or(Ok(usual.strategy), |word| Strategy::parse(word, &at(path, "strategy")))?,
    })
}

fn table(value: &Value, path: &str, usual: Conflict) -> Parsed<Table> {
    let map = object(value, path)?;
    only(
        map,
        path,
        &[
            "fields",
            "references",
            "indexes",
            "unique",
            "alike",
            "ids",
            "priority",
            "pull",
            "rollups",
            "conflict",
            "rules",
        ],
    )?;
    let Some(value) = map.get("fields") else { return error(&at(path, "fields"), "is missing") };
    let fields = fields(value, &at(path, "fields"))?;
    let references = match map.get("references") {
        Some(value) => references(value, &at(path, "references"), &fields)?,
        None => SortedMap::new(),
    };
    let mut indexes = keys(map.get("indexes"), &at(path, "indexes"), &fields)?;
    for field in references.keys() {
        if !indexes.iter().any(|index| index.first() == Some(field)) {
            indexes.push(vec![field.clone()]);
        }
    }
    let unique = keys(map.get("unique"), &at(path, "unique"), &fields)?;
    let alike = keys(map.get("alike"), &at(path, "alike"), &fields)?;
    // They are looked up whenever a record comes.
    for key in &alike {
        if !indexes.contains(key) {
            indexes.push(key.clone());
        }
    }
    let ids = match map.get("ids") {
        None => Ids::Temporary,
        Some(Value::String(word)) if word == "temporary" => Ids::Temporary,
        Some(Value::String(word)) if word == "uuid" => Ids::Uuid,
        Some(_) => return error(&at(path, "ids"), "must be `temporary` or `uuid`"),
    };
    let priority = priority_rule(map.get("priority"), &at(path, "priority"), &fields)?;
    let pull = pull_rule(map.get("pull"), &at(path, "pull"))?;
    let Conflict { detect, strategy } = conflict(map.get("conflict"), &at(path, "conflict"), usual)?;
    let rules = Rules::parse(map.get("rules"), strategy, &at(path, "rules"), &fields)?;
    let field_names = fields.keys().cloned().collect();
    // Roll-ups name other tables: they are read when all of those are.
    let rollups = SortedMap::new();
    Ok(Table {
        fields,
        field_names,
        references,
        indexes,
        unique,
        alike,
        ids,
        priority,
        pull,
        rollups,
        detect,
        rules,
    })
}

fn fields(value: &Value, path: &str) -> Parsed<SortedMap<String, Field>> {
    let map = object(value, path)?;
    if map.is_empty() {
        return error(path, "must name at least one field");
    }
    map.iter()
        .map(|(field, value)| {
            let path = at(path, field);
            name(field, &path)?;
            let word = value.as_str().unwrap_or_default();
            let (kind, optional) = word.strip_suffix('?').map_or((word, false), |kind| (kind, true));
            let kind = match kind {
                "string" => FieldKind::String,
                "number" => FieldKind::Number,
                "boolean" => FieldKind::Boolean,
                "json" => FieldKind::Json,
                _ => {
                    return error(
                        &path,
                        "must be `string`, `number`, `boolean` or `json`, with `?` if optional",
                    );
                }
            };
            Ok((field.clone(), Field { kind, optional }))
        })
        .collect()
}

fn references(
    value: &Value,
    path: &str,
    fields: &SortedMap<String, Field>,
) -> Parsed<SortedMap<String, Reference>> {
    object(value, path)?
        .iter()
        .map(|(field, value)| {
            let path = at(path, field);
            match fields.get(field) {
                None => return error(&path, format!("`{field}` is no field of this table")),
                Some(Field { kind: FieldKind::String, .. }) => {}
                Some(Field { kind, .. }) => {
                    return error(
                        &path,
                        format!("a reference must be a string, but `{field}` is a {}", kind.name()),
                    );
                }
            }
            let map = object(value, &path)?;
            only(map, &path, &["table", "onDelete"])?;
            let Some(table) = map.get("table").and_then(Value::as_str) else {
                return error(&at(&path, "table"), "must be the name of a table");
            };
            let on_delete = match map.get("onDelete") {
                None => OnDelete::Refuse,
                Some(Value::String(word)) if word == "refuse" => OnDelete::Refuse,
                Some(Value::String(word)) if word == "cascade" => OnDelete::Cascade,
                Some(_) => return error(&at(&path, "onDelete"), "must be `cascade` or `refuse`"),
            };
            Ok((field.clone(), Reference { table: table.to_owned(), on_delete }))
        })
        .collect()
}

/// Indexes or natural keys: a list of field names, each alone or several in a list.
fn keys(value: Option<&Value>, path: &str, fields: &SortedMap<String, Field>) -> Parsed<Vec<Vec<String>>> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let Value::Array(list) = value else { return error(path, "must be a list of field names") };
    let mut parsed: Vec<Vec<String>> = Vec::with_capacity(list.len());
    for (position, value) in list.iter().enumerate() {
        let path = format!("{path}[{position}]");
        let parts: Option<Vec<&str>> = match value {
            Value::String(field) => Some(vec![field]),
            Value::Array(parts) => parts.iter().map(Value::as_str).collect(),
            _ => None,
        };
        let Some(parts) = parts.filter(|parts| !parts.is_empty()) else {
            return error(&path, "must be a field's name or a list of them");
        };
        for (index, part) in parts.iter().enumerate() {
            match fields.get(*part) {
                None => return error(&path, format!("`{part}` is no field of this table")),
                Some(Field { kind: FieldKind::Json, .. }) => {
                    return error(&path, format!("`{part}` is a json field and has no order"));
                }
                Some(_) if parts[..index].contains(part) => {
                    return error(&path, format!("names `{part}` twice"));
                }
                Some(_) => {}
            }
        }
        let key: Vec<String> = parts.into_iter().map(str::to_owned).collect();
        // Said twice is meant once.
        if !parsed.contains(&key) {
            parsed.push(key);
        }
    }
    Ok(parsed)
}

fn priority_rule(
    value: Option<&Value>,
    path: &str,
    fields: &SortedMap<String, Field>,
) -> Parsed<PriorityRule> {
    let mut rule = PriorityRule { default: Priority::Medium, fields: SortedMap::new() };
    let map = match value {
        None => return Ok(rule),
        Some(Value::Object(map)) => map,
        Some(word) => {
            rule.default = priority(word, path)?;
            return Ok(rule);
        }
    };
    only(map, path, &["default", "fields"])?;
    if let Some(word) = map.get("default") {
        rule.default = priority(word, &at(path, "default"))?;
    }
    if let Some(value) = map.get("fields") {
        let path = at(path, "fields");
        for (field, word) in object(value, &path)? {
            let path = at(&path, field);
            if !fields.contains_key(field) {
                return error(&path, format!("`{field}` is no field of this table"));
            }
            rule.fields.insert(field.clone(), priority(word, &path)?);
        }
    }
    Ok(rule)
}

fn priority(value: &Value, path: &str) -> Parsed<Priority> {
    match value.as_str() {
        Some("critical") => Ok(Priority::Critical),
        Some("high") => Ok(Priority::High),
        Some("medium") => Ok(Priority::Medium),
        Some("low") => Ok(Priority::Low),
        _ => error(path, "must be `critical`, `high`, `medium` or `low`"),
    }
}
