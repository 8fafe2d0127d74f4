package enrich

import "strings"

// Agents that are no person's device: SDKs that run on servers, and HTTP libraries. What connects with them speaks for somebody else, so neither its user agent nor its address says
// anything of a person, and it is no bot either: somebody's server sends events on purpose.

// libraries are the first words of such agents, in lower case.
var libraries = words(`
	node node-fetch node.js nodejs undici axios got superagent node-superagent needle request bun deno
	python python-requests python-urllib python-urllib3 python-httpx aiohttp httpx urllib3
	go-http-client go-resty resty fasthttp
	java java-http-client apache-httpclient apache-httpasyncclient okhttp okhttp3 ktor-client ktor jersey retrofit reactornetty netty async-http-client asynchttpclient vertx
	spring-webclient feign dispatch akka-http pekko-http scalaj-http sttp clj-http
	ruby faraday rest-client http.rb httparty typhoeus excon mechanize net-http
	php guzzlehttp guzzle symfony wordpress zend_http_client curl-php
	dotnet .net restsharp flurl httpclient
	reqwest hyper ureq isahc surf rust
	elixir erlang hackney mint finch req tesla
	libwww-perl lwp perl curl libcurl wget wget2 winhttp powershell httpie postmanruntime insomnia paw
	vector fluent-bit fluentd logstash telegraf otel benthos redpanda-connect
	k6 wrk hey vegeta apachebench ab autocannon locust jmeter
	aws-sdk aws-lambda amazon google-cloud google-apis-script cloudflare-workers zapier make n8n segment.io`)

// families are the beginnings of the names of SDKs. What comes next is the platform.
var families = [...]string{"analytics", "posthog", "rudder", "amplitude", "mixpanel", "segment", "jitsu", "millrace"}

// devices are the platforms of SDKs that run on a person's device, with the system that this implies.
var devices = map[string]string{
	"android": "Android", "kotlin": "Android", "ios": "iOS", "swift": "iOS", "flutter": "", "react": "", "native": "", "reactnative": "", "unity": "", "unreal": "",
	"cordova": "", "capacitor": "", "expo": "", "xamarin": "", "macos": "Mac OS X", "tvos": "tvOS", "watchos": "watchOS", "browser": "", "web": "", "js": "", "javascript": "", "snippet": "",
}

func words(text string) map[string]struct{} {
	set := make(map[string]struct{})
	for _, w := range strings.Fields(text) {
		set[w] = struct{}{}
	}
	return set
}

// longestWord holds every word of the tables, and no more of an agent is looked at.
const longestWord = 48

// firstWord writes the agent's first word in lower case into room and returns it.
func firstWord(agent string, room *[longestWord]byte) (word []byte) {
	if len(agent) > 0 && agent[0] == '@' { // @segment/analytics-node/3.1.0
		if _, after, ok := strings.Cut(agent, "/"); ok {
			agent = after
		}
	}
	n := 0
	for n < len(agent) && n < longestWord {
		c := agent[n]
		if c == '/' || c == ' ' || c == '(' || c == ';' || c == ',' || c == ':' {
			break
		}
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		room[n] = c
		n++
	}
	return room[:n]
}

// ofDevices are in the agents of apps, whatever these are called and whichever library they use.
var ofDevices = [...]string{"CFNetwork", "Android", "iPhone", "iPad", "Mozilla/"}

// isLibrary tells whether the agent is a server's SDK or an HTTP library. system is set for the SDK of a device that implies its system.
func isLibrary(agent string) (library bool, system string) {
	var room [longestWord]byte
	word := firstWord(agent, &room)
	if _, ok := libraries[string(word)]; ok {
		for _, w := range ofDevices {
			if strings.Contains(agent, w) {
				return false, ""
			}
		}
		return true, ""
	}
	for _, f := range families {
		if len(word) < len(f) || string(word[:len(f)]) != f {
			continue
		}
		for rest := word[len(f):]; len(rest) > 0; {
			n := 0
			for n < len(rest) && rest[n] != '-' && rest[n] != '_' && rest[n] != '.' {
				n++
			}
			if system, ok := devices[string(rest[:n])]; ok {
				return false, system
			}
			rest = rest[min(n+1, len(rest)):]
		}
		return true, ""
	}
	return false, ""
}
