package enrich

import "strings"

// botWords are in the agents of crawlers, previews, monitors and browsers that nobody looks at, and in no person's. Lower case.
var botWords = [...]string{
	"crawl", "spider", "slurp", "scrap", "fetcher", "+http", "headless", "phantomjs", "puppeteer", "playwright", "selenium", "webdriver", "cypress/",
	"lighthouse", "pagespeed", "gtmetrix", "pingdom", "uptime", "statuscake", "site24x7", "newrelicpinger", "newrelicsynthetics", "datadog", "dynatrace", "catchpoint", "checkly",
	"ptst/", "webpagetest", "facebookexternalhit", "facebookcatalog", "meta-external", "whatsapp/", "preview", "embedly", "vkshare", "skypeuri", "mediapartners-google", "apis-google",
	"google-inspectiontool", "googleother", "google-read-aloud", "google-pagerenderer", "google-safety", "ia_archiver", "archive.org", "wayback", "validator", "nutch", "heritrix",
	"netcraft", "nmap", "masscan", "zgrab", "nuclei", "sqlmap", "nikto", "censys", "screaming frog", "feedly", "feedburner", "rss", "perplexity-user", "chatgpt-user", "claude-user", "prerender",
}

// isBot tells whether the agent is that of a program that visits by itself.
func isBot(agent string) bool {
	lower := strings.ToLower(agent)
	for _, w := range botWords {
		if strings.Contains(lower, w) {
			return true
		}
	}
	for at := 0; ; {
		i := strings.Index(lower[at:], "bot")
		if i < 0 {
			return false
		}
		at += i + len("bot")
		// "bot" ends a word, and the word is not the maker of phones.
		if (at == len(lower) || !letter(lower[at])) && !strings.HasSuffix(lower[:at], "cubot") {
			return true
		}
	}
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
