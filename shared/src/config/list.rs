//! Lists in one variable.

/// Parses each item of a comma list; blanks around items and empty items are dropped. One that does not parse spoils
/// the list.
pub(super) fn comma_list<T>(text: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    text.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(parse)
        .collect()
}
