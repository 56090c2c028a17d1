"""The encoders: one file is one way to turn pixels into numbers. Heavy libraries are loaded by the first use."""
