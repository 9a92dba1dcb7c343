//! How the rows of a screen are shared among what wants to be seen.

/// Rows that a part cannot be understood without, and those that it would fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wish {
    pub least: u16,
    pub most: u16,
}

impl Wish {
    /// So many rows, or as many as there are.
    pub fn of(least: u16, most: usize) -> Self {
        let most = u16::try_from(most).unwrap_or(u16::MAX);
        Self { least: least.min(most), most }
    }
}

/// Gives each its least in their order, then each its most in the same order. What is left over stays empty.
pub(super) fn share<const N: usize>(rows: u16, wishes: [Wish; N]) -> [u16; N] {
    let mut left = rows;
    let mut shares = wishes.map(|wish| {
        let least = wish.least.min(left);
        left -= least;
        least
    });
    for (share, wish) in shares.iter_mut().zip(wishes) {
        let more = (wish.most - wish.least.min(wish.most)).min(left);
        *share += more;
        left -= more;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_of_all_comes_before_the_most_of_anyone() {
        let wishes = [Wish::of(1, 1), Wish::of(2, 10), Wish::of(3, 5)];
        assert_eq!(share(6, wishes), [1, 2, 3]);
        assert_eq!(share(8, wishes), [1, 4, 3]);
        assert_eq!(share(20, wishes), [1, 10, 5]);
        assert_eq!(share(2, wishes), [1, 1, 0], "the first ones in the smallest room");
    }
}
