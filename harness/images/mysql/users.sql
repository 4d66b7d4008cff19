-- Accounts of a drill. No passwords: a run's networks have no way in from
-- outside, and the question is never whether a password is right.
CREATE USER 'drill'@'%' IDENTIFIED BY '';
GRANT ALL PRIVILEGES ON *.* TO 'drill'@'%' WITH GRANT OPTION;
CREATE DATABASE drill;
