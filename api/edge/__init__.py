"""What stands between the network and the routes: who calls, by which name, how often, how much and how fast."""
