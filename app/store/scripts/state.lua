#!lua
-- Read one recipient's record from a server that takes writes, and from no other.
--
-- KEYS  1 state bucket (hash: digest -> record)
-- ARGV  1 digest, 10 bytes
-- RESULT the record, or nil
--
-- A server that is out of memory, read-only, short of replicas or unable to save still answers HGET. What people say meanwhile is kept in
-- spools, so its records are old. The first line makes it refuse this script beforehand, as it refuses apply.lua.

return redis.call('HGET', KEYS[1], ARGV[1])
