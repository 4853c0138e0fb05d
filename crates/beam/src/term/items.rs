//! What lists, tuples and maps are kept in: a vector behind one pointer.
//!
//! A `Vec` has three words, which would make every term 32 bytes. Behind one pointer, the number of items must be
//! with the items; here it takes eight bytes, so that the two elements of the most frequent tuple are allocated as 48
//! bytes (glibc rounds to 16, with 8 of its own) and not as 64, as with the sixteen bytes of `thin-vec`.
#![allow(unsafe_code)]

use std::alloc::{self, Layout};
use std::fmt;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, align_of, size_of};
use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};

/// Items of a term, up to `u32::MAX`: a growable vector whose handle is one pointer. Without items it takes no more
/// memory than that. Slices give access to them.
pub struct Items<T> {
    /// Has `capacity` places for items behind it, of which the first `length` hold one; or it is [`NONE`].
    header: NonNull<Header>,
    owned: PhantomData<T>,
}

#[repr(C, align(8))]
struct Header {
    length: u32,
    capacity: u32,
}

/// The header of those without places. It is never written to.
static NONE: Header = Header { length: 0, capacity: 0 };

// SAFETY: it owns its items, as a `Vec` does; `NONE` is only read.
unsafe impl<T: Send> Send for Items<T> {}
// SAFETY: as above; a shared one gives out shared references only.
unsafe impl<T: Sync> Sync for Items<T> {}

impl<T> Items<T> {
    /// Items follow the header without a gap, and each takes room.
    const FITS: () = assert!(align_of::<T>() <= align_of::<Header>() && size_of::<T>() > 0);

    /// None.
    pub const fn new() -> Self {
        let () = Self::FITS;
        Self { header: NonNull::from_ref(&NONE), owned: PhantomData }
    }

    /// None, with room for exactly so many.
    ///
    /// # Panics
    /// For more than `u32::MAX`.
    pub fn with_capacity(capacity: usize) -> Self {
        let mut items = Self::new();
        if capacity > 0 {
            items.reallocate(capacity);
        }
        items
    }

    /// Makes room for so many more: exactly, or twice what there was.
    ///
    /// # Panics
    /// For more than `u32::MAX` altogether.
    pub fn reserve(&mut self, more: usize) {
        let wanted = self.len().saturating_add(more);
        if wanted > self.capacity() {
            let twice = self.capacity().saturating_mul(2).min(u32::MAX as usize);
            self.reallocate(wanted.max(twice));
        }
    }

    /// Adds one at the end.
    pub fn push(&mut self, item: T) {
        if self.len() == self.capacity() {
            self.reserve(if self.is_empty() { 4 } else { 1 });
        }
        // SAFETY: there is a place behind the last item, as the length is below the capacity; the header is not
        // `NONE`, which has no capacity.
        unsafe {
            self.places().add(self.len()).write(item);
            self.header.as_mut().length += 1;
        }
    }

    /// Takes the last.
    pub fn pop(&mut self) -> Option<T> {
        let last = self.len().checked_sub(1)?;
        // SAFETY: the last place holds an item, and no longer belongs to us afterwards; the header is not `NONE`, as
        // there was an item.
        unsafe {
            self.header.as_mut().length -= 1;
            Some(self.places().add(last).read())
        }
    }

    fn length(&self) -> u32 {
        // SAFETY: the header is one of ours or `NONE`.
        unsafe { self.header.as_ref().length }
    }

    fn capacity(&self) -> usize {
        // SAFETY: the header is one of ours or `NONE`.
        unsafe { self.header.as_ref().capacity as usize }
    }

    /// The first place.
    fn places(&self) -> *mut T {
        // SAFETY: one header further is where the places begin, or the end of `NONE`.
        unsafe { self.header.as_ptr().add(1).cast() }
    }

    /// Header and places.
    fn layout(capacity: usize) -> Option<Layout> {
        let bytes = capacity.checked_mul(size_of::<T>())?.checked_add(size_of::<Header>())?;
        Layout::from_size_align(bytes, align_of::<Header>()).ok()
    }

    /// Gets so many places, which are more than there are.
    fn reallocate(&mut self, capacity: usize) {
        let wanted = u32::try_from(capacity).ok().zip(Self::layout(capacity));
        let (places, new) = wanted.expect("no term has 2^32 elements: those who decode refuse it");
        let (length, old) = (self.length(), self.capacity());
        let raw = if old == 0 {
            // SAFETY: the layout has at least the size of a header.
            unsafe { alloc::alloc(new) }
        } else {
            let layout = Self::layout(old).expect("it was allocated with it");
            // SAFETY: it was allocated with this layout, and the new size is larger and was checked.
            unsafe { alloc::realloc(self.header.as_ptr().cast(), layout, new.size()) }
        };
        let Some(header) = NonNull::new(raw.cast::<Header>()) else { alloc::handle_alloc_error(new) };
        // SAFETY: the memory is ours, large and aligned enough for a header.
        unsafe { header.write(Header { length, capacity: places }) };
        self.header = header;
    }
}

impl<T> Deref for Items<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: the first `length` places hold items; without any the pointer is aligned and not null.
        unsafe { std::slice::from_raw_parts(self.places(), self.length() as usize) }
    }
}

impl<T> DerefMut for Items<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`, and they are borrowed through us alone.
        unsafe { std::slice::from_raw_parts_mut(self.places(), self.length() as usize) }
    }
}

impl<T> Drop for Items<T> {
    fn drop(&mut self) {
        let capacity = self.capacity();
        if capacity == 0 {
            return;
        }
        let layout = Self::layout(capacity).expect("it was allocated with it");
        // SAFETY: the items are ours and not used again, and the memory was allocated with this layout.
        unsafe {
            ptr::drop_in_place::<[T]>(&mut **self);
            alloc::dealloc(self.header.as_ptr().cast(), layout);
        }
    }
}

impl<T> Extend<T> for Items<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        let items = items.into_iter();
        self.reserve(items.size_hint().0);
        items.for_each(|item| self.push(item));
    }
}

impl<T> FromIterator<T> for Items<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut all = Self::new();
        all.extend(items);
        all
    }
}

impl<T: Copy> From<&[T]> for Items<T> {
    fn from(items: &[T]) -> Self {
        let mut copy = Self::with_capacity(items.len());
        if !items.is_empty() {
            // SAFETY: there is room for all of them, the header is not `NONE`, and they are free to be copied.
            unsafe {
                ptr::copy_nonoverlapping(items.as_ptr(), copy.places(), items.len());
                copy.header.as_mut().length = copy.header.as_ref().capacity;
            }
        }
        copy
    }
}

impl<T> From<Vec<T>> for Items<T> {
    fn from(items: Vec<T>) -> Self {
        items.into_iter().collect()
    }
}

impl<T, const N: usize> From<[T; N]> for Items<T> {
    fn from(items: [T; N]) -> Self {
        items.into_iter().collect()
    }
}

impl<T> IntoIterator for Items<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        IntoIter { items: ManuallyDrop::new(self), next: 0 }
    }
}

impl<'a, T> IntoIterator for &'a Items<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Gives [`Items`] away one after the other.
pub struct IntoIter<T> {
    /// Those before `next` are given away.
    items: ManuallyDrop<Items<T>>,
    next: usize,
}

impl<T> Iterator for IntoIter<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let item: *const T = self.items.get(self.next)?;
        self.next += 1;
        // SAFETY: it is one of the items, and is not looked at again.
        Some(unsafe { item.read() })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.items.len() - self.next;
        (left, Some(left))
    }
}

impl<T> ExactSizeIterator for IntoIter<T> {}

impl<T> Drop for IntoIter<T> {
    fn drop(&mut self) {
        self.for_each(drop);
        if self.items.capacity() > 0 {
            // SAFETY: it is not `NONE`. All items are given away, so that only the memory is left, whose owner is not
            // used again.
            unsafe {
                self.items.header.as_mut().length = 0;
                ManuallyDrop::drop(&mut self.items);
            }
        }
    }
}

impl<T> Default for Items<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Clone> Clone for Items<T> {
    fn clone(&self) -> Self {
        self.iter().cloned().collect()
    }
}

impl<T: PartialEq> PartialEq for Items<T> {
    fn eq(&self, other: &Self) -> bool {
        self[..] == other[..]
    }
}

impl<T: Eq> Eq for Items<T> {}

impl<T: std::hash::Hash> std::hash::Hash for Items<T> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self[..].hash(state);
    }
}

impl<T: fmt::Debug> fmt::Debug for Items<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self[..].fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// So many items whose number of owners can be told.
    fn counted(count: usize) -> (Arc<()>, Items<Arc<()>>) {
        let one = Arc::new(());
        let items = std::iter::repeat_n(&one, count).cloned().collect();
        (one, items)
    }

    #[test]
    fn a_handle_is_a_pointer() {
        assert_eq!(size_of::<Option<Items<u64>>>(), 8);
        assert_eq!(Items::<u64>::layout(2).map(|layout| layout.size()), Some(24));
    }

    #[test]
    fn items_come_and_go() {
        let mut items = Items::new();
        assert_eq!((items.pop(), items.len()), (None, 0));
        for number in 0..1000_u64 {
            items.push(number);
        }
        items[999] = 7;
        assert_eq!((items.pop(), items.len(), items[998]), (Some(7), 999, 998));
        items.extend([1, 2]);
        let sum: u64 = items.into_iter().sum();
        assert_eq!(sum, 998 * 999 / 2 + 3);
    }

    #[test]
    fn room_is_reserved_exactly_first_and_then_doubled() {
        let mut items = Items::with_capacity(3);
        assert_eq!(items.capacity(), 3);
        items.extend([1, 2, 3]);
        assert_eq!(items.capacity(), 3);
        items.push(4);
        assert_eq!((items.capacity(), &items[..]), (6, &[1, 2, 3, 4][..]));
        assert_eq!(Items::<u8>::with_capacity(0).capacity(), 0);
    }

    #[test]
    fn all_are_dropped_once() {
        for taken in 0..=5 {
            let (one, items) = counted(5);
            assert_eq!(Arc::strong_count(&one), 6);
            let copy = items.clone();
            assert_eq!(Arc::strong_count(&one), 11);
            drop(copy);
            let mut rest = items.into_iter();
            assert_eq!(rest.by_ref().take(taken).count(), taken);
            assert_eq!((rest.len(), Arc::strong_count(&one)), (5 - taken, 6 - taken));
            drop(rest);
            assert_eq!(Arc::strong_count(&one), 1);
        }
        let (one, none) = counted(0);
        drop((none.clone(), none.into_iter(), Items::<u8>::default()));
        assert_eq!(Arc::strong_count(&one), 1);
    }

    #[test]
    fn slices_are_copied() {
        for length in [0, 1, 1000] {
            let numbers: Vec<u16> = (0..length).collect();
            assert_eq!(Items::from(&numbers[..])[..], numbers);
        }
    }

    #[test]
    fn half_filled_room_is_given_back() {
        let one = Arc::new(());
        let mut items = Items::with_capacity(1000);
        items.push(Arc::clone(&one));
        drop(items);
        assert_eq!(Arc::strong_count(&one), 1);
    }
}
