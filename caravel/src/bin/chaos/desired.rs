//! Whether zooid's file of a relay says what was wanted, field by field.

use serde_json::Value;

/// Every difference between what was sent in full and what the file holds: `path: wanted X, found Y`. A field that is not
/// wanted must have its zero value. Secrets are named, not shown.
pub fn differences(wanted: &Value, found: &Value) -> Vec<String> {
    let mut differences = Vec::new();
    compare("", Some(wanted), found, &mut differences);
    differences
}

fn compare(path: &str, wanted: Option<&Value>, found: &Value, differences: &mut Vec<String>) {
    if let Value::Object(fields) = found {
        for (name, found) in fields {
            let wanted = wanted.and_then(|wanted| wanted.get(name));
            compare(&format!("{path}/{name}"), wanted, found, differences);
        }
        let of_wanted = wanted.and_then(Value::as_object).into_iter().flatten();
        for (name, _) in of_wanted.filter(|(name, _)| !fields.contains_key(*name)) {
            differences.push(format!("{path}/{name} is missing"));
        }
        return;
    }
    let is_same = match wanted {
        Some(wanted) => wanted == found,
        None => is_zero(found),
    };
    if is_same {
        return;
    }
    let is_secret = path.contains("secret") || path.contains("key");
    differences.push(match wanted {
        _ if is_secret => format!("{path} differs"),
        Some(wanted) => format!("{path}: wanted {wanted}, found {found}"),
        None => format!("{path}: wanted nothing, found {found}"),
    });
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_zero),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_wanted_may_be_there_empty() {
        let wanted = json!({ "a": 1, "b": { "c": true } });

        let found = json!({ "a": 1, "b": { "c": true, "d": "" }, "e": { "f": [] } });

        assert_eq!(differences(&wanted, &found), Vec::<String>::new());
    }

    #[test]
    fn a_field_that_differs_is_missing_or_is_left_over_is_told() {
        let wanted = json!({ "a": 1, "b": { "c": true }, "secret": "s1" });

        let found = json!({ "a": 2, "b": {}, "d": "left", "secret": "s2" });

        assert_eq!(
            differences(&wanted, &found),
            [
                "/a: wanted 1, found 2",
                "/b/c is missing",
                "/d: wanted nothing, found \"left\"",
                "/secret differs",
            ]
        );
    }
}
