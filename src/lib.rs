//! Firstlight.
