//! Names that a person can tell apart, as many as are asked for.

/// First halves.
const FIRST: [&str; 24] = [
    "amber", "birch", "cedar", "coral", "dawn", "ember", "fern", "harbour", "indigo", "juniper",
    "lagoon", "maple", "meadow", "north", "ochre", "pebble", "quiet", "river", "saffron", "silver",
    "summit", "tidal", "violet", "willow",
];

/// Second halves.
const SECOND: [&str; 24] = [
    "bakery",
    "bicycles",
    "books",
    "chess",
    "choir",
    "cinema",
    "climbers",
    "coffee",
    "commons",
    "football",
    "garden",
    "kitchen",
    "library",
    "makers",
    "notes",
    "orchestra",
    "photos",
    "radio",
    "runners",
    "sailing",
    "school",
    "theatre",
    "weavers",
    "workshop",
];

/// The relay's subdomain and its name: no two numbers have the same.
pub fn of_relay(number: usize) -> (String, String) {
    let first = FIRST[number % FIRST.len()];
    let second = SECOND[number / FIRST.len() % SECOND.len()];
    let round = number / (FIRST.len() * SECOND.len());
    let name = format!("{} {}", capital(first), capital(second));
    if round == 0 {
        return (format!("{first}-{second}"), name);
    }
    (
        format!("{first}-{second}-{round}"),
        format!("{name} {round}"),
    )
}

fn capital(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    first.to_uppercase() + rest
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use shared::domain::Subdomain;

    use super::*;

    #[test]
    fn every_relay_has_a_subdomain_of_its_own() {
        let names: BTreeSet<String> = (0..2_000).map(|number| of_relay(number).0).collect();

        assert_eq!(names.len(), 2_000);
        assert!(names.iter().all(|name| name.parse::<Subdomain>().is_ok()));
        assert_eq!(of_relay(0), ("amber-bakery".into(), "Amber Bakery".into()));
        assert_eq!(of_relay(576).0, "amber-bakery-1");
    }
}
