use std::iter::Flatten;
use std::ops::{Index, IndexMut};
use std::{mem, slice, vec};

/// A list in pages of the same size. What is in it never moves because it grows, and what thousands of such lists give back to the
/// allocator fits what they take next: lists that grow in one piece leave holes behind that none of them fits into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pages<T> {
    /// All are full but the last one; none is empty.
    pages: Vec<Vec<T>>,
    len: usize,
}

/// About the size of a page.
const PAGE_BYTES: usize = 16 << 10;

/// The fewest items of a page, as a power of two.
const SHIFT_MIN: u32 = 4;

impl<T> Pages<T> {
    /// The items of a page, as a power of two.
    const SHIFT: u32 = match PAGE_BYTES.checked_div(size_of::<T>()) {
        Some(items) if items >> SHIFT_MIN > 0 => items.ilog2(),
        Some(_) => SHIFT_MIN,
        None => PAGE_BYTES.ilog2(),
    };
    const PAGE: usize = 1 << Self::SHIFT;

    pub(crate) fn new() -> Self {
        Pages { pages: Vec::new(), len: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The bytes of the list itself, with those that are free.
    pub(crate) fn bytes(&self) -> usize {
        let items: usize = self.pages.iter().map(Vec::capacity).sum();
        items * size_of::<T>() + self.pages.capacity() * size_of::<Vec<T>>()
    }

    #[inline]
    pub(crate) fn get(&self, place: usize) -> Option<&T> {
        self.pages.get(place >> Self::SHIFT)?.get(place & (Self::PAGE - 1))
    }

    /// Where the item at `place` is; any pointer if there is none.
    #[inline]
    pub(crate) fn address(&self, place: usize) -> *const T {
        let page = self.pages.get(place >> Self::SHIFT).map_or(std::ptr::null(), |page| page.as_ptr());
        page.wrapping_add(place & (Self::PAGE - 1))
    }

    #[inline]
    pub(crate) fn push(&mut self, item: T) {
        if self.len == self.pages.len() << Self::SHIFT {
            self.pages.push(self.new_page());
        }
        self.pages[self.len >> Self::SHIFT].push(item);
        self.len += 1;
    }

    /// Short lists take as much as they need; others, whole pages.
    fn new_page(&self) -> Vec<T> {
        if self.pages.is_empty() { Vec::new() } else { Vec::with_capacity(Self::PAGE) }
    }

    /// Takes the item at `place` out; the last one moves there.
    ///
    /// # Panics
    /// When there is none.
    pub(crate) fn swap_remove(&mut self, place: usize) -> T {
        assert!(place < self.len, "there are {} items, and none at {place}", self.len);
        let page = &mut self.pages[(self.len - 1) >> Self::SHIFT];
        let last = page.swap_remove(page.len() - 1);
        if page.is_empty() {
            self.pages.pop();
        }
        self.len -= 1;
        if place == self.len { last } else { mem::replace(&mut self[place], last) }
    }

    pub(crate) fn swap(&mut self, a: usize, b: usize) {
        let (low, high) = (a.min(b), a.max(b));
        let (left, right) = self.pages.split_at_mut(high >> Self::SHIFT);
        let (low_page, low, high) = (low >> Self::SHIFT, low & (Self::PAGE - 1), high & (Self::PAGE - 1));
        match left.get_mut(low_page) {
            Some(page) => mem::swap(&mut page[low], &mut right[0][high]),
            None => right[0].swap(low, high),
        }
    }

    /// Gives back what a list that was longer does not need.
    pub(crate) fn shrink(&mut self) {
        self.pages.last_mut().into_iter().for_each(Vec::shrink_to_fit);
        self.pages.shrink_to_fit();
    }

    pub(crate) fn iter(&self) -> Flatten<slice::Iter<'_, Vec<T>>> {
        self.pages.iter().flatten()
    }
}

impl<T> Index<usize> for Pages<T> {
    type Output = T;

    #[inline]
    fn index(&self, place: usize) -> &T {
        &self.pages[place >> Self::SHIFT][place & (Self::PAGE - 1)]
    }
}

impl<T> IndexMut<usize> for Pages<T> {
    #[inline]
    fn index_mut(&mut self, place: usize) -> &mut T {
        &mut self.pages[place >> Self::SHIFT][place & (Self::PAGE - 1)]
    }
}

impl<'a, T> IntoIterator for &'a Pages<T> {
    type Item = &'a T;
    type IntoIter = Flatten<slice::Iter<'a, Vec<T>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T> IntoIterator for Pages<T> {
    type Item = T;
    type IntoIter = Flatten<vec::IntoIter<Vec<T>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.pages.into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Sixteen to a page.
    type Large = (usize, [u64; 64]);

    fn large(n: usize) -> Large {
        (n, [n as u64; 64])
    }

    fn check<T: PartialEq + std::fmt::Debug + Clone>(pages: &Pages<T>, model: &[T]) {
        assert_eq!(pages.len(), model.len());
        assert!(pages.iter().eq(model) && pages.clone().into_iter().eq(model.iter().cloned()));
        for (place, item) in model.iter().enumerate() {
            assert_eq!((pages.get(place), &pages[place]), (Some(item), item));
            assert_eq!(pages.address(place), std::ptr::from_ref(item).with_addr(pages.address(place).addr()));
        }
        assert_eq!(pages.get(model.len()), None);
    }

    proptest! {
        #[test]
        fn it_is_a_list(operations in prop::collection::vec((0u8..8, any::<[prop::sample::Index; 2]>()), 0..400)) {
            let (mut pages, mut model) = (Pages::new(), Vec::new());
            for (n, (operation, [a, b])) in operations.into_iter().enumerate() {
                match operation {
                    0..5 => { pages.push(large(n)); model.push(large(n)); }
                    _ if model.is_empty() => {}
                    5 => {
                        let place = a.index(model.len());
                        prop_assert_eq!(pages.swap_remove(place), model.swap_remove(place));
                    }
                    6 => {
                        let (a, b) = (a.index(model.len()), b.index(model.len()));
                        pages.swap(a, b);
                        model.swap(a, b);
                    }
                    _ => {
                        let place = a.index(model.len());
                        pages.shrink();
                        pages[place] = large(n);
                        model[place] = large(n);
                    }
                }
            }
            check(&pages, &model);
        }
    }

    #[test]
    fn items_of_any_size_have_their_places() {
        let (mut units, mut bytes, mut huge) = (Pages::new(), Pages::new(), Pages::new());
        for n in 0..20_000usize {
            units.push(());
            bytes.push(n as u8);
        }
        (0..40).for_each(|n| huge.push([n; 4_096]));
        assert_eq!(units.len(), 20_000);
        assert!(bytes.iter().enumerate().all(|(n, byte)| *byte == n as u8));
        assert!((0..40).all(|n| huge[n][7] == n));
    }

    #[test]
    fn a_long_list_has_little_that_is_free_and_a_short_one_as_well() {
        let mut pages = Pages::new();
        pages.push(1u128);
        assert!(pages.bytes() < 500, "{}", pages.bytes());
        (0..10_000).for_each(|n| pages.push(n));
        assert!(pages.bytes() < 10_000 * 17 + 2 * PAGE_BYTES, "{}", pages.bytes());
        while pages.len() > 10 {
            pages.swap_remove(0);
        }
        pages.shrink();
        assert!(pages.bytes() < 500, "{}", pages.bytes());
    }
}
