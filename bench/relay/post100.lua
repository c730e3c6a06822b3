-- What wrk sends in the case post100-c64.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"data":"' .. string.rep("x", 89) .. '"}'
