//! The slot that is written once.

use deathwatch::internals::structs::once::Once;
use deathwatch::internals::sync::Arc;

use crate::fixture::{Token, spawn};
use crate::harness::{Bound, model};

/// One of two writers wins, the other gets its value back; a reader sees nothing or the winner's value.
#[test]
fn set_vs_set_vs_get() {
    model("once_set_vs_set_vs_get", Bound::Unbounded, 4_700, || {
        let slot = Arc::new(Once::new());
        let (writer, reader) = (slot.clone(), slot.clone());
        let writer = spawn(move || writer.set((1, Token::new())).is_ok());
        let reader = spawn(move || {
            let seen = reader.get().map(|(number, _)| *number);
            let again = reader.get().map(|(number, _)| *number);
            assert!(seen.is_none() || seen == again, "never left again");
            seen
        });
        let here = slot.set((2, Token::new())).is_ok();
        let there = writer.join().unwrap();
        let seen = reader.join().unwrap();
        assert!(here != there);
        let value = slot.get().map(|(number, _)| *number);
        assert_eq!(value, Some(if here { 2 } else { 1 }));
        assert!(seen.is_none() || seen == value);
    });
}
