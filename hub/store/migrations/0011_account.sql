SELECT 1; -- placeholder of this session: filled or removed before landing
