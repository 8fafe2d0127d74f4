package generate

// Texts for the shares of events with other than ASCII text, and with escapes.

// phrases have other than ASCII text and need no escapes: scripts of two, three and four bytes a letter, from right to left, with combining marks, joined emoji.
var phrases = []string{
	"Größe wählen", "Übergrößen für Männer", "Crème brûlée à emporter", "El niño pidió más café", "Żółta łódź", "Příliš žluťoučký kůň", "Ünlü şehirler", "Đặt hàng ngay",
	"Купить сейчас", "Доставка завтра", "Αγορά τώρα", "購入手続きへ", "東京都渋谷区", "ランニングシューズ", "立即购买", "上海市浦东新区", "免費送貨", "지금 구매하기", "서울특별시",
	"أضف إلى السلة", "הוסף לעגלה", "अभी खरीदें", "สั่งซื้อเลย", "🎉 Summer sale", "👟 Run faster", "💳✅", "👨‍👩‍👧‍👦 family pack", "🇩🇪 → 🇯🇵", "🧑🏽‍💻 remote", "½ price – today only",
	"naïve résumé", "e\u0301clair", "𝒸𝓁𝒶𝓈𝓈𝒾𝒸", "𠮷野家", "100 € – 20 %", "“quoted”", "100\u00a0kg", "zero\u200bwidth",
}

var foreignNames = []string{"Größe gewählt", "購入完了", "Заказ оформлен", "Añadido al carrito", "🎁 Geschenk geöffnet", "注文キャンセル", "가입 완료", "Kategori görüntülendi"}

var quotedNames = []string{`Clicked "Buy now"`, `Opened C:\Reports\Q3`, `Said "maybe" \ closed`, "Pasted\ttable", "Line one\nline two"}

// escapedTexts are texts of JSON strings as they stand between the quotes.
var escapedTexts = []string{
	`She said \"great\" and left`, `\"`, `\\`, `C:\\Users\\Public\\`, `line one\nline two\r\nline three`, `col1\tcol2\tcol3`, `https:\/\/shop.example\/p\/1`, `caf\u00e9 au lait`,
	`\ud83d\ude80 launch`, `\u003cb\u003ebold\u003c\/b\u003e \u0026 more`, `\u65e5\u672c\u8a9e`, `a\\\"b\\\\\"c`, `{\"nested\":\"{\\\"deep\\\":true}\"}`, `\u2028\u2029`, `\b\f`,
	`ends with a backslash\\`, `\u0041\u0042C`, `50\u0025 off`, `SELECT * FROM t WHERE a = \"x\\\\y\"`,
}

// escapedKeys are member names with escapes, as they stand between the quotes.
var escapedKeys = []string{`say \"hi\"`, `path\\to`, `stra\u00dfe`, `\u0070rice_note`, `line\nbreak`, `a\/b`}

// textKeys are members that people fill with running text.
var textKeys = []string{"comment", "note", "search_query", "display_name", "message", "feedback", "customer_note", "city_name"}

var foreignKeys = []string{"größe", "名前", "город", "ünvan", "🏷️"}
