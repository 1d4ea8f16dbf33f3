//! Airbyte's envelope: messages in, messages out, the configured catalog.
