//! Tests of the wizard: what is drawn, what keys do, and the terminal itself on a pty.

mod fixture;
mod keys;
mod pty;
mod screens;
mod tables;
mod units;
