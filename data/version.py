"""The version of the application: what the API answers, and what files say that made them."""

VERSION = "0.1.0"
