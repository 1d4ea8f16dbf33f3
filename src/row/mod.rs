//! Rows: a plan compiled from the columns, run over the bytes of each record.
