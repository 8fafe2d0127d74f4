package query

import (
	"bytes"
	"mime/multipart"
)

// paramPrefix begins the name of a field that is a parameter of the statement.
const paramPrefix = "param_"

// form writes a statement and its parameters as multipart/form-data, which ClickHouse takes in place of a query string: nothing of a question stands in a
// URL, where servers and proxies on the way would log it. The boundary is random, so no value can hold it.
func form(text string, wire map[string]string) (body []byte, contentType string, err error) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	if err := w.WriteField("query", text); err != nil {
		return nil, "", err
	}
	for name, value := range wire {
		if err := w.WriteField(paramPrefix+name, value); err != nil {
			return nil, "", err
		}
	}
	if err := w.Close(); err != nil {
		return nil, "", err
	}
	return b.Bytes(), w.FormDataContentType(), nil
}
