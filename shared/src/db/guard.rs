//! Keeps transaction control out of the hands of closures.

/// Statements that begin, end or nest a transaction. They belong to the writer alone: one of them inside a closure would
/// commit or undo the work of everybody in the group.
const CONTROL: [&str; 7] = [
    "BEGIN",
    "COMMIT",
    "END",
    "ROLLBACK",
    "SAVEPOINT",
    "RELEASE",
    "PRAGMA",
];

/// The first transaction-control keyword that starts a statement of `sql`, if there is one.
pub(super) fn control_statement(sql: &str) -> Option<&'static str> {
    statements(sql).find_map(|statement| {
        let word = statement
            .split(|c: char| !c.is_ascii_alphabetic())
            .next()
            .unwrap_or_default();
        CONTROL
            .into_iter()
            .find(|control| word.eq_ignore_ascii_case(control))
    })
}

/// The statements of a text, each from its first keyword on. Comments before a keyword are skipped; a `;` inside quotes
/// or comments does not end a statement.
fn statements(sql: &str) -> impl Iterator<Item = &str> {
    let mut rest = sql;
    std::iter::from_fn(move || {
        rest = skip_blanks(rest);
        if rest.is_empty() {
            return None;
        }
        let end = end_of_statement(rest);
        let (statement, behind) = rest.split_at(end);
        rest = behind.strip_prefix(';').unwrap_or(behind);
        Some(statement)
    })
}

fn skip_blanks(mut sql: &str) -> &str {
    loop {
        sql = sql.trim_start_matches(|c: char| c.is_whitespace() || c == ';');
        sql = if let Some(comment) = sql.strip_prefix("--") {
            comment.split_once('\n').map_or("", |(_, behind)| behind)
        } else if let Some(comment) = sql.strip_prefix("/*") {
            comment.split_once("*/").map_or("", |(_, behind)| behind)
        } else {
            return sql;
        };
    }
}

fn end_of_statement(sql: &str) -> usize {
    let bytes = sql.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let closing: &str = match bytes[at] {
            b';' => return at,
            b'\'' => "'",
            b'"' => "\"",
            b'`' => "`",
            b'[' => "]",
            b'-' if bytes[at..].starts_with(b"--") => "\n",
            b'/' if bytes[at..].starts_with(b"/*") => "*/",
            _ => {
                at += 1;
                continue;
            }
        };
        at += 1;
        at = sql
            .get(at..)
            .and_then(|quoted| quoted.find(closing))
            .map_or(bytes.len(), |length| at + length + closing.len());
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::control_statement;

    #[test]
    fn transaction_control_is_found_wherever_a_statement_may_start() {
        for sql in [
            "COMMIT",
            "  begin immediate",
            "-- note\nROLLBACK TO w",
            "/* a; b */ savepoint x",
            "UPDATE t SET a = 'x;y'; END",
            "INSERT INTO t VALUES (';'), (\"--\");;release w",
            "PRAGMA synchronous = OFF",
        ] {
            assert!(control_statement(sql).is_some(), "{sql}");
        }
    }

    #[test]
    fn ordinary_statements_pass() {
        for sql in [
            "SELECT 'COMMIT'",
            "UPDATE t SET a = '; COMMIT'",
            "INSERT INTO t SELECT CASE WHEN 1 THEN 2 END -- ; ROLLBACK",
            "SELECT [a;BEGIN] FROM t /* ; END */",
            "",
            "DELETE FROM t WHERE a = 'it''s; COMMIT'",
        ] {
            assert_eq!(control_statement(sql), None, "{sql}");
        }
    }
}
