//! The daemon's runs and answers, with a clock of our own and no scan behind them.
