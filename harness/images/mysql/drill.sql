-- The accounts and tables of a drill. No passwords: a run's networks have no
-- way in from outside, and the question is never whether a password is right.
-- Applications may do nothing but use the tables, so that read_only and
-- offline_mode hold for them.
CREATE DATABASE drill;
CREATE USER 'drill'@'%' IDENTIFIED BY '';
GRANT SELECT, INSERT, UPDATE, DELETE ON drill.* TO 'drill'@'%';
GRANT SELECT ON performance_schema.* TO 'drill'@'%';
CREATE USER 'manager'@'%' IDENTIFIED BY '';
GRANT ALL PRIVILEGES ON *.* TO 'manager'@'%' WITH GRANT OPTION;
CREATE TABLE drill.sets (id BIGINT UNSIGNED NOT NULL, element BIGINT NOT NULL, PRIMARY KEY (id, element));
CREATE TABLE drill.registers (id BIGINT UNSIGNED NOT NULL PRIMARY KEY, value BIGINT NOT NULL);
CREATE TABLE drill.lists (id BIGINT UNSIGNED NOT NULL PRIMARY KEY, elements LONGTEXT NOT NULL);
CREATE TABLE drill.accounts (id BIGINT UNSIGNED NOT NULL PRIMARY KEY, balance BIGINT NOT NULL);
