//! A map in the order of its keys.

use std::{
    borrow::Borrow,
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    marker::PhantomData,
    ops::{Bound, Index, RangeBounds},
    slice, vec,
};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
};

use super::CHUNK_MAX;

/// A map in the order of its keys. It reads as `std`'s `BTreeMap` does.
pub struct SortedMap<K, V> {
    /// None of them is empty. A chunk that has become small stays so: what is taken away is mostly what came first.
    chunks: Vec<Vec<(K, V)>>,
    len: usize,
}

/// Where an entry is, or would be: its chunk, and its place there.
type Place = (usize, usize);

impl<K, V> SortedMap<K, V> {
    /// An empty one.
    #[must_use]
    pub const fn new() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }

    /// How many entries.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The entries in order.
    #[must_use]
    pub fn iter(&self) -> Iter<'_, K, V> {
        Iter { front: [].iter(), chunks: self.chunks.iter(), back: [].iter() }
    }

    /// The keys in order.
    #[must_use]
    pub fn keys(&self) -> Keys<Iter<'_, K, V>> {
        Keys(self.iter())
    }

    /// The values in the order of their keys.
    #[must_use]
    pub fn values(&self) -> Values<Iter<'_, K, V>> {
        Values(self.iter())
    }

    /// The values in the order of their keys, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.chunks.iter_mut().flatten().map(|(_, value)| value)
    }

    /// The entries in order, with values to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.chunks.iter_mut().flatten().map(|(key, value)| (&*key, value))
    }

    /// The keys in order.
    #[must_use]
    pub fn into_keys(self) -> Keys<IntoIter<K, V>> {
        Keys(self.into_iter())
    }

    /// The values in the order of their keys.
    #[must_use]
    pub fn into_values(self) -> Values<IntoIter<K, V>> {
        Values(self.into_iter())
    }

    /// The first entry.
    #[must_use]
    pub fn first_key_value(&self) -> Option<(&K, &V)> {
        self.iter().next()
    }

    /// The last entry.
    #[must_use]
    pub fn last_key_value(&self) -> Option<(&K, &V)> {
        self.iter().next_back()
    }

    /// Takes the first entry out.
    pub fn pop_first(&mut self) -> Option<(K, V)> {
        if self.is_empty() { None } else { Some(self.take((0, 0))) }
    }

    /// Keeps the entries for which `keep` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        for chunk in &mut self.chunks {
            chunk.retain_mut(|(key, value)| keep(key, value));
        }
        self.chunks.retain(|chunk| !chunk.is_empty());
        self.len = self.chunks.iter().map(Vec::len).sum();
    }

    /// Removes all entries.
    pub fn clear(&mut self) {
        self.chunks.clear();
        self.len = 0;
    }

    fn take(&mut self, (chunk, at): Place) -> (K, V) {
        self.len -= 1;
        if let [_] = &self.chunks[chunk][..] {
            return self.chunks.remove(chunk).swap_remove(0);
        }
        self.chunks[chunk].remove(at)
    }
}

impl<K: Ord, V> SortedMap<K, V> {
    /// The first entry of which `is_before` does not hold.
    fn partition(&self, is_before: impl Fn(&K) -> bool) -> Place {
        // The last chunk that begins before it, and the place in that; at its end where the next chunk begins with it.
        let chunk = self.chunks.partition_point(|chunk| is_before(&chunk[0].0)).saturating_sub(1);
        let at = self.chunks.get(chunk).map_or(0, |chunk| chunk.partition_point(|(key, _)| is_before(key)));
        (chunk, at)
    }

    /// Where the key is, or else where it belongs.
    fn search<Q: Ord + ?Sized>(&self, key: &Q) -> Result<Place, Place>
    where
        K: Borrow<Q>,
    {
        // What comes in order goes to the end.
        if let Some(last) = self.chunks.last()
            && last[last.len() - 1].0.borrow() < key
        {
            return Err((self.chunks.len() - 1, last.len()));
        }
        let chunk = self.chunks.partition_point(|chunk| chunk[0].0.borrow() <= key).saturating_sub(1);
        match self.chunks.get(chunk) {
            None => Err((0, 0)),
            Some(entries) => match entries.binary_search_by(|(other, _)| other.borrow().cmp(key)) {
                Ok(at) => Ok((chunk, at)),
                Err(at) => Err((chunk, at)),
            },
        }
    }

    /// The value of a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.search(key).ok().map(|(chunk, at)| &self.chunks[chunk][at].1)
    }

    /// The value of a key, to be changed.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.search(key).ok().map(|(chunk, at)| &mut self.chunks[chunk][at].1)
    }

    /// The key as it is held, and its value.
    pub fn get_key_value<Q: Ord + ?Sized>(&self, key: &Q) -> Option<(&K, &V)>
    where
        K: Borrow<Q>,
    {
        let (chunk, at) = self.search(key).ok()?;
        let (key, value) = &self.chunks[chunk][at];
        Some((key, value))
    }

    /// Whether there is such a key.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.search(key).is_ok()
    }

    /// Puts a value in; the one that was there. A key that is there stays as it is.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.search(&key) {
            Ok((chunk, at)) => Some(std::mem::replace(&mut self.chunks[chunk][at].1, value)),
            Err(place) => {
                self.put(place, key, value);
                None
            }
        }
    }

    fn put(&mut self, (mut chunk, mut at): Place, key: K, value: V) -> &mut V {
        self.len += 1;
        if self.chunks.is_empty() {
            self.chunks.push(Vec::new());
        }
        if self.chunks[chunk].len() == CHUNK_MAX {
            // What comes in order leaves full chunks behind.
            let half = if at == CHUNK_MAX { CHUNK_MAX } else { CHUNK_MAX / 2 };
            let rest = self.chunks[chunk].split_off(half);
            self.chunks.insert(chunk + 1, rest);
            if at > half || at == CHUNK_MAX {
                (chunk, at) = (chunk + 1, at - half);
            }
        }
        self.chunks[chunk].insert(at, (key, value));
        &mut self.chunks[chunk][at].1
    }

    /// Takes a key out; its value.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let place = self.search(key).ok()?;
        Some(self.take(place).1)
    }

    /// Takes out what comes at a key or after it.
    #[must_use]
    pub fn split_off<Q: Ord + ?Sized>(&mut self, from: &Q) -> Self
    where
        K: Borrow<Q>,
    {
        let (chunk, at) = self.partition(|key| key.borrow() < from);
        let mut chunks: Vec<_> = self.chunks.drain((chunk + 1).min(self.chunks.len())..).collect();
        if let Some(divided) = self.chunks.get_mut(chunk) {
            chunks.insert(0, divided.split_off(at));
        }
        let of = |mut chunks: Vec<Vec<(K, V)>>| {
            chunks.retain(|chunk| !chunk.is_empty());
            Self { len: chunks.iter().map(Vec::len).sum(), chunks }
        };
        *self = of(std::mem::take(&mut self.chunks));
        of(chunks)
    }

    /// The place of a key, taken or free.
    pub fn entry(&mut self, key: K) -> Entry<'_, K, V> {
        Entry { place: self.search(&key), map: self, key }
    }

    /// The entries in a range of keys, in order.
    pub fn range<Q: Ord + ?Sized, R: RangeBounds<Q>>(&self, range: R) -> Iter<'_, K, V>
    where
        K: Borrow<Q>,
    {
        let (from, to) = (
            match range.start_bound() {
                Bound::Unbounded => (0, 0),
                Bound::Included(first) => self.partition(|key| key.borrow() < first),
                Bound::Excluded(before) => self.partition(|key| key.borrow() <= before),
            },
            match range.end_bound() {
                Bound::Unbounded => (self.chunks.len(), 0),
                Bound::Included(last) => self.partition(|key| key.borrow() <= last),
                Bound::Excluded(after) => self.partition(|key| key.borrow() < after),
            },
        );
        self.between(from, to)
    }

    fn between(&self, from: Place, to: Place) -> Iter<'_, K, V> {
        let empty = Iter { front: [].iter(), chunks: [].iter(), back: [].iter() };
        match from.0.cmp(&to.0) {
            Ordering::Greater => empty,
            Ordering::Equal => match self.chunks.get(from.0) {
                Some(chunk) if from.1 < to.1 => Iter { front: chunk[from.1..to.1].iter(), ..empty },
                _ => empty,
            },
            Ordering::Less => Iter {
                front: self.chunks[from.0][from.1..].iter(),
                chunks: self.chunks[from.0 + 1..to.0].iter(),
                back: self.chunks.get(to.0).map_or(&[][..], |chunk| &chunk[..to.1]).iter(),
            },
        }
    }
}

/// The place of a key.
pub struct Entry<'m, K, V> {
    map: &'m mut SortedMap<K, V>,
    key: K,
    place: Result<Place, Place>,
}

impl<'m, K: Ord, V> Entry<'m, K, V> {
    /// The value that is there, or else this one, put in.
    pub fn or_insert(self, value: V) -> &'m mut V {
        match self.place {
            Ok((chunk, at)) => &mut self.map.chunks[chunk][at].1,
            Err(place) => self.map.put(place, self.key, value),
        }
    }

    /// The value that is there, or else the one that is made, put in.
    pub fn or_insert_with(self, make: impl FnOnce() -> V) -> &'m mut V {
        match self.place {
            Ok((chunk, at)) => &mut self.map.chunks[chunk][at].1,
            Err(place) => self.map.put(place, self.key, make()),
        }
    }

    /// The value that is there, or else its type's default, put in.
    pub fn or_default(self) -> &'m mut V
    where
        V: Default,
    {
        self.or_insert_with(V::default)
    }
}

/// Entries in order.
pub struct Iter<'m, K, V> {
    front: slice::Iter<'m, (K, V)>,
    chunks: slice::Iter<'m, Vec<(K, V)>>,
    back: slice::Iter<'m, (K, V)>,
}

impl<K, V> Clone for Iter<'_, K, V> {
    fn clone(&self) -> Self {
        Self { front: self.front.clone(), chunks: self.chunks.clone(), back: self.back.clone() }
    }
}

impl<'m, K, V> Iterator for Iter<'m, K, V> {
    type Item = (&'m K, &'m V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((key, value)) = self.front.next() {
                return Some((key, value));
            }
            match self.chunks.next() {
                Some(chunk) => self.front = chunk.iter(),
                None => return self.back.next().map(|(key, value)| (key, value)),
            }
        }
    }
}

impl<K, V> DoubleEndedIterator for Iter<'_, K, V> {
    fn next_back(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((key, value)) = self.back.next_back() {
                return Some((key, value));
            }
            match self.chunks.next_back() {
                Some(chunk) => self.back = chunk.iter(),
                None => return self.front.next_back().map(|(key, value)| (key, value)),
            }
        }
    }
}

/// The entries in order, taken out.
pub(super) type IntoIter<K, V> = std::iter::Flatten<vec::IntoIter<Vec<(K, V)>>>;

/// The keys of entries.
#[derive(Clone)]
pub struct Keys<I>(pub(super) I);

impl<K, V, I: Iterator<Item = (K, V)>> Iterator for Keys<I> {
    type Item = K;

    fn next(&mut self) -> Option<K> {
        self.0.next().map(|(key, _)| key)
    }
}

impl<K, V, I: DoubleEndedIterator<Item = (K, V)>> DoubleEndedIterator for Keys<I> {
    fn next_back(&mut self) -> Option<K> {
        self.0.next_back().map(|(key, _)| key)
    }
}

/// The values of entries.
#[derive(Clone)]
pub struct Values<I>(I);

impl<K, V, I: Iterator<Item = (K, V)>> Iterator for Values<I> {
    type Item = V;

    fn next(&mut self) -> Option<V> {
        self.0.next().map(|(_, value)| value)
    }
}

impl<K, V, I: DoubleEndedIterator<Item = (K, V)>> DoubleEndedIterator for Values<I> {
    fn next_back(&mut self) -> Option<V> {
        self.0.next_back().map(|(_, value)| value)
    }
}

impl<'m, K, V> IntoIterator for &'m SortedMap<K, V> {
    type Item = (&'m K, &'m V);
    type IntoIter = Iter<'m, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<K, V> IntoIterator for SortedMap<K, V> {
    type Item = (K, V);
    type IntoIter = IntoIter<K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.chunks.into_iter().flatten()
    }
}

impl<K: Ord, V> Extend<(K, V)> for SortedMap<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for SortedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::new();
        map.extend(entries);
        map
    }
}

impl<K: Ord, V, const N: usize> From<[(K, V); N]> for SortedMap<K, V> {
    fn from(entries: [(K, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

impl<K: Ord + Borrow<Q>, Q: Ord + ?Sized, V> Index<&Q> for SortedMap<K, V> {
    type Output = V;

    fn index(&self, key: &Q) -> &V {
        let (chunk, at) = self.search(key).unwrap_or_else(|_| panic!("no entry found for key"));
        &self.chunks[chunk][at].1
    }
}

impl<K, V> Default for SortedMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Clone, V: Clone> Clone for SortedMap<K, V> {
    fn clone(&self) -> Self {
        Self { chunks: self.chunks.clone(), len: self.len }
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for SortedMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl<K: Eq, V: Eq> Eq for SortedMap<K, V> {}

impl<K: PartialOrd, V: PartialOrd> PartialOrd for SortedMap<K, V> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.iter().partial_cmp(other.iter())
    }
}

impl<K: Ord, V: Ord> Ord for SortedMap<K, V> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter().cmp(other.iter())
    }
}

impl<K: Hash, V: Hash> Hash for SortedMap<K, V> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.len.hash(state);
        for entry in self {
            entry.hash(state);
        }
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for SortedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Serialize, V: Serialize> Serialize for SortedMap<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self)
    }
}

impl<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>> Deserialize<'de> for SortedMap<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<K, V>(PhantomData<(K, V)>);

        impl<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>> Visitor<'de> for Entries<K, V> {
            type Value = SortedMap<K, V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
                let mut map = SortedMap::new();
                while let Some((key, value)) = access.next_entry()? {
                    map.insert(key, value);
                }
                Ok(map)
            }
        }

        deserializer.deserialize_map(Entries(PhantomData))
    }
}
