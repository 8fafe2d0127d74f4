package ingest

// The answers of pixels: always the image, so that no page shows a broken one. A refusal keeps its status, which browsers ignore and which whoever looks for their events sees in
// the developer tools and the logs. Caches must not answer for us.

// pixelImage is a transparent GIF of one pixel.
const pixelImage = "GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"

func (r *request) answerPixel(tally) { r.sendPixel() }

func (r *request) refusePixel(notice) { r.sendPixel() }

func (r *request) sendPixel() {
	r.plainly()
	r.reply = append(r.reply[:0], pixelImage...)
	r.send(gifType)
}
