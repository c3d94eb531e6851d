//! Places that clients hold for longer than a moment: event streams, waits, bodies that are still coming.
//!
//! Invariant: no holder has more than its share, all together no more than there are, and a place is free again as soon as
//! it is dropped, however that comes about.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Places, some for each holder.
#[derive(Debug)]
pub struct Places<K> {
    each: usize,
    all: usize,
    held: Arc<Mutex<Held<K>>>,
}

/// One place, until it is dropped.
#[derive(Debug)]
pub struct Place<K: Hash + Eq> {
    holder: Option<K>,
    held: Arc<Mutex<Held<K>>>,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// The holder has all that one may have.
    Share,
    /// There are no more.
    All,
}

#[derive(Debug)]
struct Held<K> {
    all: usize,
    by: HashMap<K, usize>,
}

impl<K: Hash + Eq + Clone> Places<K> {
    /// So many for each holder, and so many in all.
    pub fn new(each: usize, all: usize) -> Self {
        let held = Held {
            all: 0,
            by: HashMap::new(),
        };
        Self {
            each,
            all,
            held: Arc::new(Mutex::new(held)),
        }
    }

    /// A place for `holder`; for somebody who has no share of their own when `None`.
    ///
    /// # Errors
    /// [`Taken`].
    pub fn take(&self, holder: Option<K>) -> Result<Place<K>, Taken> {
        let mut held = lock(&self.held);
        if held.all >= self.all {
            return Err(Taken::All);
        }
        if let Some(holder) = &holder {
            let own = held.by.get(holder).copied().unwrap_or(0);
            if own >= self.each {
                return Err(Taken::Share);
            }
            held.by.insert(holder.clone(), own + 1);
        }
        held.all += 1;
        Ok(Place {
            holder,
            held: Arc::clone(&self.held),
        })
    }
}

impl<K: Hash + Eq> Drop for Place<K> {
    fn drop(&mut self) {
        let mut held = lock(&self.held);
        held.all -= 1;
        if let Some(holder) = &self.holder
            && let Some(own) = held.by.get_mut(holder)
        {
            *own -= 1;
            if *own == 0 {
                held.by.remove(holder);
            }
        }
    }
}

fn lock<K>(held: &Mutex<Held<K>>) -> MutexGuard<'_, Held<K>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_holder_takes_more_than_its_share_and_all_no_more_than_there_are() {
        let places = Places::new(2, 3);
        let one = places.take(Some("a")).unwrap();
        let two = places.take(Some("a")).unwrap();
        assert_eq!(places.take(Some("a")).unwrap_err(), Taken::Share);
        let three = places.take(None).unwrap();

        assert_eq!(places.take(Some("b")).unwrap_err(), Taken::All);

        drop(one);
        let four = places.take(Some("b")).unwrap();
        drop((two, three, four));
        assert_eq!(lock(&places.held).all, 0);
        assert!(lock(&places.held).by.is_empty(), "nobody is remembered");
    }
}
