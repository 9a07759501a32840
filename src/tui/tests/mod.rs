//! Tests of the wizard.
